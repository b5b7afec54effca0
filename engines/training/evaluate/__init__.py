"""Measuring: error metrics, the teacher networks to compare with, and the comparison on real clips."""
