"""Closed triangle mesh -> occupancy grid: a voxel is inside where the ray from its centre leaves the mesh an odd number
of times.

All voxels of a column share one ray along z. A ray that hits an edge or a corner exactly is counted by exactly one of
the triangles that share it, because each edge is tested by the same arithmetic from both sides and with half-open
intervals; so a watertight mesh gives no streaks, wherever its vertices lie.
"""

from __future__ import annotations

import numpy as np

_PAIRS_AT_ONCE = 4_000_000
"""Triangle-column pairs examined at once: bounds memory to some hundred MB."""


def voxelize(
    vertices: np.ndarray, faces: np.ndarray, *, origin: np.ndarray, voxel_size: float, shape: tuple[int, int, int]
) -> np.ndarray:
    """Occupancy (D, H, W) bool of the mesh ``vertices`` (V, 3), ``faces`` (F, 3); axes z, y, x.

    Voxel (k, j, i) has its centre at ``origin`` + (i + 0.5, j + 0.5, k + 0.5) * ``voxel_size``; the grid may cut the
    mesh. The orientation of the faces does not matter. Raises ValueError on other shapes.
    """
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"vertices must be (V, 3) and faces (F, 3), got {vertices.shape} and {faces.shape}")
    if not (np.isfinite(voxel_size) and voxel_size > 0) or min(shape) < 1:
        raise ValueError(f"voxel_size must be positive and shape at least 1, got {voxel_size} and {shape}")
    depth, height, width = shape
    # In units of voxels, centres of voxels at integers.
    grid = (np.asarray(vertices, np.float64) - np.asarray(origin, np.float64)) / voxel_size - 0.5
    if not np.isfinite(grid).all():
        raise ValueError("vertices and origin must be finite")
    # Each triangle's vertices in the order of their index: then both triangles of an edge see it the same way round.
    faces = np.sort(np.asarray(faces, np.int64), axis=1)
    corners = grid[faces]
    low = np.clip(np.ceil(corners[..., :2].min(axis=1)), 0, (width, height)).astype(np.int64)
    high = np.clip(np.floor(corners[..., :2].max(axis=1)) + 1, 0, (width, height)).astype(np.int64)
    extent = np.maximum(high - low, 0)
    pairs = extent.prod(axis=1)

    flips = np.zeros((depth + 1, height * width), np.uint8)
    starts = np.searchsorted(np.cumsum(pairs), np.arange(0, pairs.sum(), _PAIRS_AT_ONCE), side="right")
    for begin, end in zip(starts, [*starts[1:], len(faces)], strict=True):
        part = slice(int(begin), int(end))
        _count(flips, corners[part], low[part], extent[part], pairs[part], width)
    return (np.cumsum(flips[:depth], axis=0, dtype=np.uint8) & 1).astype(bool).reshape(shape)


def _count(
    flips: np.ndarray, corners: np.ndarray, low: np.ndarray, extent: np.ndarray, pairs: np.ndarray, width: int
) -> None:
    """Adds, per column, a flip at the first voxel beyond each crossing."""
    triangle = np.repeat(np.arange(len(pairs)), pairs)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    row, column = np.divmod(within, extent[triangle, 0])
    x, y = column + low[triangle, 0], row + low[triangle, 1]

    inside = np.zeros(len(triangle), bool)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        a, b = corners[triangle, first], corners[triangle, second]
        straddles = (a[:, 1] <= y) != (b[:, 1] <= y)
        rise = np.where(straddles, b[:, 1] - a[:, 1], 1.0)
        crossing = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
        inside ^= straddles & (x < crossing)

    triangle, x, y = triangle[inside], x[inside], y[inside]
    a, ab, ac = corners[triangle, 0], *(corners[triangle, k] - corners[triangle, 0] for k in (1, 2))
    normal = np.cross(ab, ac)
    # A triangle seen edge-on has no area to hit; rounding may claim a hit, which then lies somewhere on its span.
    flat = np.abs(normal[:, 2]) < 1e-300
    slope = normal[:, :2] / np.where(flat, 1.0, normal[:, 2])[:, None]
    z = a[:, 2] - np.where(flat, 0.0, slope[:, 0] * (x - a[:, 0]) + slope[:, 1] * (y - a[:, 1]))
    span = corners[triangle, :, 2]
    z = np.clip(z, span.min(axis=1), span.max(axis=1))
    beyond = np.clip(np.ceil(z), 0, len(flips) - 1).astype(np.int64)
    np.add.at(flips, (beyond, y * width + x), 1)
