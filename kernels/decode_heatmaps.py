"""Heatmaps to points: the mean of a window around the peak, with the mass close to it as confidence. CPU path."""

from __future__ import annotations

from functools import cache

import numpy as np

WINDOW_RADIUS = 4
"""Cells around the peak whose mean is the point: blurred labels and doubts make peaks that are wider than they seem."""
MASS_RADIUS = 2
"""Cells around the peak whose mass is the confidence."""


def decode_heatmaps(
    probability: np.ndarray, size_px: float, radius: int = WINDOW_RADIUS, mass_radius: int = MASS_RADIUS
) -> np.ndarray:
    """Points of B x P heatmaps.

    ``probability`` (B, P, H, W) float32, each map summing to 1 over the picture; ``size_px`` the side of the crop they
    cover. Returns (B, P, 3) float32: x, y in crop pixels (corner-based), the mean of the (2 radius + 1)^2 cells around
    the peak, and as confidence the mass of the (2 mass_radius + 1)^2 cells around it, which are no more: how sure the
    network is of this very place.
    """
    batch, points, height, width = probability.shape
    flat = probability.reshape(batch * points, height * width)
    peak_y, peak_x = np.divmod(flat.argmax(1), width)
    offset_y, offset_x, moments = _window(radius, mass_radius)
    rows, columns = peak_y[:, None] + offset_y, peak_x[:, None] + offset_x
    # What lies outside the map has no mass; as unsigned numbers, those below zero are large.
    inside = (rows.view(np.uint64) < height) & (columns.view(np.uint64) < width)
    cells = np.arange(0, flat.size, height * width)[:, None] + rows * width + columns
    x, y, total, mass = ((flat.reshape(-1).take(cells, mode="clip") * inside) @ moments).T
    safe = np.maximum(total, 1e-9)
    decoded = np.empty((len(flat), 3), np.float32)
    decoded[:, 0] = (peak_x + 0.5 + x / safe) * (size_px / width)
    decoded[:, 1] = (peak_y + 0.5 + y / safe) * (size_px / height)
    decoded[:, 2] = np.minimum(mass, 1)
    return decoded.reshape(batch, points, 3)


@cache
def _window(radius: int, mass_radius: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets y, x of the cells of a window, and (cells, 4) float32: the weights that sum x, y, all and confidence."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, -1)
    near = (np.abs(x) <= mass_radius) & (np.abs(y) <= mass_radius)
    return y, x, np.stack([x, y, np.ones_like(x), near], 1).astype(np.float32)
