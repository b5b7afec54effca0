"""Depth, silhouette and normals of meshes: the nearest face of every pixel. CPU path.

A pixel belongs to a face that contains its centre; a centre on an edge or corner belongs to exactly one of the faces
around it (the same arithmetic from both sides of an edge, half-open intervals), so that meshes have no cracks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NEAR_M = 0.05
"""Faces with a vertex nearer to the camera than this are not drawn."""
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Pictures:
    """Of B meshes."""

    depth: np.ndarray
    """(B, rows, columns) float32, metres along the camera's z; inf where nothing is."""
    silhouette: np.ndarray
    """(B, rows, columns) uint8: 1 where something is."""
    normals: np.ndarray
    """(B, rows, columns, 3) float32: outward unit normal of the face, camera frame; 0 where nothing is."""


def raster(
    vertices: np.ndarray, faces: np.ndarray, cameras: np.ndarray, size: tuple[int, int], near: float = NEAR_M
) -> Pictures:
    """Draws ``vertices`` (B, V, 3), metres, camera frame, with ``faces`` (F, 3), counter-clockwise from outside.

    cameras: (B, 4) fx, fy, cx, cy in pixels, the centre of the top-left pixel being (0.5, 0.5); size: (width, height).
    Raises ValueError on other shapes.
    """
    if vertices.ndim != 3 or vertices.shape[2] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f"vertices must be (B, V, 3) and faces (F, 3), got {vertices.shape} and {faces.shape}")
    if cameras.shape != (len(vertices), 4) or min(size) < 1 or not near > 0:
        raise ValueError(f"cameras must be (B, 4), size and near positive, got {cameras.shape}, {size} and {near}")
    columns, rows = size
    nearest = np.full((len(vertices), rows * columns), _EMPTY)
    for mesh, camera, picture in zip(vertices, cameras.astype(np.float64), nearest, strict=True):
        _draw(mesh.astype(np.float64), np.sort(faces, axis=1), camera, (columns, rows), np.float32(near), picture)
    return _resolve(vertices.astype(np.float32), faces, nearest.reshape(-1, rows, columns))


def _draw(
    mesh: np.ndarray, faces: np.ndarray, camera: np.ndarray, size: tuple[int, int], near: np.float32, out: np.ndarray
) -> None:
    columns, rows = size
    kept = np.flatnonzero((mesh[faces, 2] >= near).all(axis=1))
    if not len(kept):
        return
    z = np.where(mesh[:, 2] >= near, mesh[:, 2], 1.0)
    screen = np.stack(
        [mesh[:, 0] * camera[0] / z + camera[2] - 0.5, mesh[:, 1] * camera[1] / z + camera[3] - 0.5, 1 / z], axis=1
    )
    corners = screen[faces[kept]]
    low_y = np.clip(np.ceil(corners[..., 1].min(axis=1)), 0, rows).astype(np.int64)
    high_y = np.clip(np.floor(corners[..., 1].max(axis=1)) + 1, 0, rows).astype(np.int64)
    owner, row = _ranges(low_y, high_y)

    low, high = np.full(len(owner), np.inf), np.full(len(owner), -np.inf)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        a, b = corners[owner, first], corners[owner, second]
        straddles = (a[:, 1] <= row) != (b[:, 1] <= row)
        rise = np.where(straddles, b[:, 1] - a[:, 1], 1.0)
        crossing = a[:, 0] + (row - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
        low = np.where(straddles, np.minimum(low, crossing), low)
        high = np.where(straddles, np.maximum(high, crossing), high)
    begin = np.clip(np.ceil(low), 0, columns).astype(np.int64)
    end = np.clip(np.ceil(high), 0, columns).astype(np.int64)
    span, column = _ranges(begin, end)
    owner, row = owner[span], row[span]

    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(ab, ac)
    flat = np.abs(normal[:, 2]) < 1e-300
    slope = np.where(flat[:, None], 0.0, normal[:, :2]) / np.where(flat, 1.0, normal[:, 2])[:, None]
    inverse = a[owner, 2] - (slope[owner, 0] * (column - a[owner, 0]) + slope[owner, 1] * (row - a[owner, 1]))
    inverse = np.clip(inverse, corners[..., 2].min(axis=1)[owner], corners[..., 2].max(axis=1)[owner])
    depth = (1.0 / inverse).astype(np.float32)
    packed = depth.view(np.uint32).astype(np.uint64) << np.uint64(32) | kept[owner].astype(np.uint64)
    np.minimum.at(out, row * columns + column, packed)


def _resolve(vertices: np.ndarray, faces: np.ndarray, nearest: np.ndarray) -> Pictures:
    hit = nearest != _EMPTY
    depth = np.full(nearest.shape, np.inf, np.float32)
    depth[hit] = (nearest[hit] >> np.uint64(32)).astype(np.uint32).view(np.float32)
    normals = np.zeros((*nearest.shape, 3), np.float32)
    batch = np.nonzero(hit)[0]
    corners = vertices[batch[:, None], faces[(nearest[hit] & np.uint64(0xFFFFFFFF)).astype(np.int64)]]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals[hit] = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    return Pictures(depth, hit.astype(np.uint8), normals)


def _ranges(begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of many ranges, one range after another: (index of the range, integer)."""
    counts = np.maximum(end - begin, 0)
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts) + begin[owner]
