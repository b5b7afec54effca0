"""A long run of the program on live cameras: its latency and its memory stay what they were."""
