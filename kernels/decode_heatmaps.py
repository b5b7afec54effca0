"""Heatmaps to points: the peak, refined by the mean of a window around it, with a confidence. CPU path."""

from __future__ import annotations

import numpy as np

WINDOW_RADIUS = 2


def decode_heatmaps(probability: np.ndarray, size_px: float, radius: int = WINDOW_RADIUS) -> np.ndarray:
    """Points of B x P heatmaps.

    ``probability`` (B, P, H, W) float32, each map summing to 1 over the picture; ``size_px`` the side of the crop they
    cover. Returns (B, P, 3) float32: x, y in crop pixels (corner-based) and, as confidence, the probability mass in the
    window of (2 radius + 1)^2 cells around the peak: how sure the network is of this very place.
    """
    batch, points, height, width = probability.shape
    flat = probability.reshape(batch * points, height * width)
    peak = flat.argmax(1)
    peak_y, peak_x = np.divmod(peak, width)
    offsets = np.arange(-radius, radius + 1)
    rows, columns = peak_y[:, None] + offsets, peak_x[:, None] + offsets
    maps = probability.reshape(batch * points, height, width)
    window = maps[
        np.arange(batch * points)[:, None, None],
        rows.clip(0, height - 1)[:, :, None],
        columns.clip(0, width - 1)[:, None, :],
    ]
    # What lies outside the map has no mass.
    window *= ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    mass = window.sum((1, 2))
    safe = np.maximum(mass, 1e-9)
    x = peak_x + 0.5 + window.sum(1) @ offsets / safe
    y = peak_y + 0.5 + window.sum(2) @ offsets / safe
    decoded = np.stack([x * (size_px / width), y * (size_px / height), np.minimum(mass, 1.0)], 1)
    return decoded.reshape(batch, points, 3).astype(np.float32)
