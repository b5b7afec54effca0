"""An occupancy grid as a pinhole camera sees it: the largest voxel along each pixel's ray, nearest neighbour. CPU path.

The grid's axes are the camera's: D along z, H along y, W along x. A ray takes one step per slice, at its centre.
"""

from __future__ import annotations

import numpy as np


def voxel_perspective(
    occupancy: np.ndarray, cameras: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Silhouettes (B, rows, columns) float32 and the flat index (d, h, w) of the voxel that each ray ends in.

    occupancy: (B, D, H, W) float32; cameras: (B, 8) float32, each fx, fy, cx, cy in pixels, then x, y, z of the grid's
    first corner and the side of a voxel in metres; size: (width, height) of the picture. A ray that misses the grid
    gives 0 and -1. Raises ValueError on other shapes.
    """
    if occupancy.ndim != 4 or 0 in occupancy.shape[1:] or cameras.shape != (len(occupancy), 8) or min(size) < 1:
        raise ValueError(
            f"occupancy must be (B, D, H, W) and cameras (B, 8), none empty, got {occupancy.shape}, {cameras.shape} "
            f"and a picture of {size}"
        )
    batch, depth, height, width = occupancy.shape
    columns, rows = size
    one, half = np.float32(1), np.float32(0.5)
    camera = np.asarray(cameras, np.float32)[:, :, None, None]
    slope_x = (np.arange(columns, dtype=np.float32) + half - camera[:, 2]) / camera[:, 0]
    slope_y = (np.arange(rows, dtype=np.float32)[:, None] + half - camera[:, 3].reshape(-1, 1, 1)) / camera[:, 1]
    voxel = camera[:, 7]
    best = np.zeros((batch, rows, columns), np.float32)
    best_index = np.full((batch, rows, columns), -1, np.int32)
    lines = np.arange(batch)[:, None, None]
    for d in range(depth):
        z = camera[:, 6] + (np.float32(d) * one + half) * voxel
        w = np.floor((slope_x * z - camera[:, 4]) / voxel)
        h = np.floor((slope_y * z - camera[:, 5]) / voxel)
        hit = (z > 0) & (w >= 0) & (w < width) & (h >= 0) & (h < height)
        inside_w, inside_h = np.where(hit, w, 0).astype(np.int64), np.where(hit, h, 0).astype(np.int64)
        value = occupancy[lines, d, inside_h, inside_w]
        better = hit & ((best_index < 0) | (value > best))
        best = np.where(better, value, best)
        best_index = np.where(better, (d * height + inside_h) * width + inside_w, best_index)
    return best.astype(np.float32), best_index.astype(np.int32)


def voxel_perspective_backward(
    grad_silhouette: np.ndarray, argmax: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Gradient (B, D, H, W) of the occupancy from that of the silhouettes (B, rows, columns); shape: (D, H, W)."""
    if grad_silhouette.shape != argmax.shape:
        raise ValueError(f"grad_silhouette has shape {grad_silhouette.shape}, argmax has {argmax.shape}")
    grad = np.zeros((len(argmax), int(np.prod(shape))), grad_silhouette.dtype)
    batch, row, column = np.nonzero(argmax >= 0)
    np.add.at(grad, (batch, argmax[batch, row, column]), grad_silhouette[batch, row, column])
    return grad.reshape(len(argmax), *shape)
