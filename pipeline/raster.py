"""Triangles to pixels on the CPU, vectorised: painter's order (far to near), scanline coverage, no GL."""

from __future__ import annotations

import numpy as np

NEAR_M = 0.05
"""Faces with a vertex nearer to the camera than this are not drawn."""


def visible_faces(points_px: np.ndarray, depth: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Indices (K,) of the faces that look at the camera, the farthest first.

    points_px: (V, 2) pixels; depth: (V,) metres along the view; faces: (F, 3), counter-clockwise seen from outside.
    """
    # Here and below `take`, which is up to ten times as fast as indexing where rows are short.
    corners = points_px.take(faces, 0)
    along, across = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # y runs down in the image, so what is counter-clockwise in space has a negative area here.
    facing = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0] < 0
    face_depth = depth.take(faces)
    kept = np.flatnonzero(facing & (face_depth.min(axis=1) > NEAR_M))
    return kept[np.argsort(-face_depth[kept].sum(axis=1), kind="stable")]


def paint(canvas: np.ndarray, corners_px: np.ndarray, values: np.ndarray) -> None:
    """Write one value per triangle into ``canvas``, in order: later triangles cover earlier ones.

    canvas: (H, W), changed in place; corners_px: (K, 3, 2) pixels, the centre of the top-left pixel is (0.5, 0.5);
    values: (K,) of the canvas's dtype. A pixel belongs to a triangle that contains its centre; triangles that share an
    edge neither overlap nor leave a gap.
    """
    height, width = canvas.shape
    order = np.argsort(corners_px[..., 1], axis=1)
    x = np.take_along_axis(corners_px[..., 0], order, axis=1)
    y = np.take_along_axis(corners_px[..., 1], order, axis=1)

    # One row per triangle and line of pixels that it touches.
    triangle, line = _ranges(_first_centre(y[:, 0], height), _first_centre(y[:, 2], height))
    if len(triangle) == 0:
        return
    columns = (x[:, 0], y[:, 0], _slope(x, y, 0, 2), _slope(x, y, 0, 1), x[:, 1], y[:, 1], _slope(x, y, 1, 2))
    # Each row of this is gathered at once: that is several times faster than seven gathers.
    x0, y0, long_slope, upper_slope, x1, y1, lower_slope = (
        np.stack(columns, axis=1).astype(np.float32).take(triangle, 0).T
    )
    centre = line + np.float32(0.5)
    long_side = x0 + (centre - y0) * long_slope
    short_side = np.where(centre < y1, x0 + (centre - y0) * upper_slope, x1 + (centre - y1) * lower_slope)

    start = _first_centre(np.minimum(long_side, short_side), width)
    stop = _first_centre(np.maximum(long_side, short_side), width)
    start += line * width
    stop += line * width
    owner, pixel = _ranges(start, stop)
    canvas.reshape(-1)[pixel] = values.take(triangle).take(owner)


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F, 3) unit normals, outward for counter-clockwise faces; vertices (V, 3)."""
    a, b, c = vertices.take(faces.T, 0)
    normals = np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _slope(x: np.ndarray, y: np.ndarray, a: int, b: int) -> np.ndarray:
    return (x[:, b] - x[:, a]) / np.maximum(y[:, b] - y[:, a], 1e-6)


def _first_centre(position: np.ndarray, limit: int) -> np.ndarray:
    """Index of the first pixel whose centre is at or beyond a position, within 0..limit."""
    return np.ceil(np.clip(position, 0, limit) - 0.5).astype(np.int32)


def _ranges(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All integers of many ranges one after another: (index of the range, integer), int32."""
    counts = np.maximum(stop - start, 0)
    ends = np.cumsum(counts, dtype=np.int32)
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    integers = np.repeat(start - (ends - counts), counts)
    integers += np.arange(len(integers), dtype=np.int32)
    return owner, integers
