"""Silhouette of a dense set of surface points, and how well it agrees with a segmentation. CPU path.

The quality figure of every published body is this agreement. A mesh level whose vertices lie closer together than the
cells of the segmentation needs no triangles: its vertices, splatted, leave no holes that a 3 x 3 closing does not fill.
"""

from __future__ import annotations

import cv2
import numpy as np

_KERNEL = np.ones((3, 3), np.uint8)


def splat_silhouette(points_px: np.ndarray, cells: int, size_px: float) -> np.ndarray:
    """Points (V, 2) in pixels of a crop of side ``size_px`` -> (cells, cells) bool silhouette."""
    x, y = (points_px * (cells / size_px)).T
    inside = (x >= 0) & (x < cells) & (y >= 0) & (y < cells)
    grid = np.zeros((cells, cells), np.uint8)
    grid.ravel()[y[inside].astype(np.intp) * cells + x[inside].astype(np.intp)] = 1
    return cv2.morphologyEx(grid, cv2.MORPH_CLOSE, _KERNEL).astype(bool)


def silhouette_iou(silhouette: np.ndarray, segmentation: np.ndarray) -> float:
    """Intersection over union of two bool masks; NaN where both are empty."""
    union = int((silhouette | segmentation).sum())
    return int((silhouette & segmentation).sum()) / union if union else float("nan")
