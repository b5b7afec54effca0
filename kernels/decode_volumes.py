"""Volumetric heatmaps to points: the picture marginal decoded as a heatmap, the depth marginal averaged. CPU path."""

from __future__ import annotations

import numpy as np

from kernels.decode_heatmaps import MASS_RADIUS, WINDOW_RADIUS, decode_heatmaps


def decode_volumes(
    probability: np.ndarray, size_px: float, radius: int = WINDOW_RADIUS, mass_radius: int = MASS_RADIUS
) -> np.ndarray:
    """Points of B x P volumes.

    ``probability`` (B, P, D, H, W) float32, each volume summing to 1; ``size_px`` the side of the crop they cover.
    Returns (B, P, 4) float32: x, y in crop pixels (corner-based), depth in bins (corner-based), confidence as in
    `decode_heatmaps`.
    """
    picture = decode_heatmaps(probability.sum(axis=2), size_px, radius, mass_radius)
    marginal = probability.sum(axis=(3, 4))
    bins = np.arange(probability.shape[2]) + 0.5
    depth = (marginal @ bins) / np.maximum(marginal.sum(axis=2), 1e-9)
    return np.concatenate([picture[..., :2], depth[..., None], picture[..., 2:]], axis=2).astype(np.float32)
