"""Heatmaps multiplied by what else is known of a place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def weighted(heatmaps: np.ndarray, weights: Mapping[int, np.ndarray]) -> np.ndarray:
    """Heatmaps (B, 41, n, n), and weights (41, n, n) of some of their rows, which are used up -> the products, or the
    array that was given where nothing is weighted. Maps are large: those of one person are not copied first."""
    if not weights:
        return heatmaps
    if len(heatmaps) == 1:
        (own,) = weights.values()
        return np.multiply(heatmaps[0], own, out=own)[None]
    out = heatmaps.copy()
    for row, own in weights.items():
        out[row] *= own
    return out
