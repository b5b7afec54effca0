"""The fault campaign: `python -m pipeline.chaos` injects faults into a running pipeline and watches it come back."""
