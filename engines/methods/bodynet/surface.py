"""The surface of an occupancy grid: as a mesh to look at, and as points with normals to fit a body to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LEVELS = (0.15, 0.5)
"""Lowest and highest probability at which a surface is drawn."""
_SURE = 0.9
"""Of the volume lies above the highest level: no need for a lower one."""
_FEWEST = 40
"""Cells; less than that is no body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfacePoints:
    """S points of a surface, float64."""

    places: np.ndarray
    """(S, 3) grid units."""
    normals: np.ndarray
    """(S, 3) outward, unit length."""
    confidence: np.ndarray
    """(S,) 0..1: by how much the occupancy changes within one cell. A surface that may lie here or there is soft."""


def surface_level(occupancy: np.ndarray) -> float:
    """The probability above which as many cells lie as all probabilities add up to, within `LEVELS`.

    One half for a network that is sure. One that knows a limb is there but not how deep spreads it over more cells than
    it fills, none of them above one half; at that level the limb would vanish, at this one it stays, at its likeliest
    depth and about as thick as it is.
    """
    low, high = LEVELS
    likely = occupancy[occupancy > low]
    inside = int(occupancy.sum(dtype=np.float64))
    if (likely > high).sum() >= _SURE * inside:
        return high
    if inside >= len(likely):
        return low
    return float(np.clip(np.partition(likely, -1 - inside)[-1 - inside], low, high))


def surface_points(occupancy: np.ndarray, count: int) -> SurfacePoints | None:
    """(D, H, W) probabilities -> about ``count`` points spread evenly over the surface; None where nobody is.

    A point lies between two neighbouring cells, one inside and one outside, where linear interpolation is at
    `surface_level`.
    """
    cells = np.array(occupancy.shape)
    level = surface_level(occupancy)
    inside = occupancy > level
    if inside.sum() < _FEWEST:
        return None
    there = np.argwhere(inside)
    box = tuple(slice(max(a - 2, 0), b + 3) for a, b in zip(there.min(0), there.max(0), strict=True))
    values, inside = occupancy[box].astype(np.float64), inside[box]
    slopes = np.stack([np.gradient(values, axis=axis) for axis in range(3)])
    found = []
    for axis in range(3):
        near = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        far = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        cell = np.argwhere(inside[near] != inside[far])
        step = np.eye(3, dtype=np.int64)[axis]
        here, there = values[tuple(cell.T)], values[tuple((cell + step).T)]
        share = (level - here) / (there - here)
        slope = (slopes[:, *cell.T] * (1 - share) + slopes[:, *(cell + step).T] * share).T
        found.append(np.concatenate([cell + share[:, None] * step, slope, np.abs(there - here)[:, None]], 1))
    rows = np.concatenate(found)
    # In order of place, so that a stride spreads evenly.
    rows = rows[np.lexsort(np.floor(rows[:, 2::-1] / 3).T)]
    rows = rows[:: max(1, len(rows) // count)]
    corner = np.array([part.start for part in box])
    places = (rows[:, :3] + corner + 0.5) * (2 / cells) - 1
    normals = -rows[:, 3:6] / np.maximum(np.linalg.norm(rows[:, 3:6], axis=1, keepdims=True), 1e-9)
    return SurfacePoints(places=places[:, ::-1], normals=normals[:, ::-1], confidence=np.clip(rows[:, 6], 0, 1))


def surface_mesh(occupancy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(D, H, W) probabilities -> vertices (V, 3) float32 grid units and faces (F, 3) int32, counter-clockwise from
    outside, by marching cubes; both empty where nothing is inside.

    Needs the `surface` extra.
    """
    from skimage.measure import marching_cubes

    level = surface_level(occupancy)
    if not (occupancy > level).any():
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    # A rim of empty cells closes the surface where the grid cuts the body.
    vertices, faces, _, _ = marching_cubes(np.pad(occupancy, 1).astype(np.float32), level, gradient_direction="descent")
    places = (vertices - 0.5) * (2 / np.array(occupancy.shape, np.float32)) - 1
    return np.ascontiguousarray(places[:, ::-1], np.float32), np.ascontiguousarray(faces, np.int32)
