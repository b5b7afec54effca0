"""Fitting the body to image points: one implementation for the live method, for refinement and for training."""
