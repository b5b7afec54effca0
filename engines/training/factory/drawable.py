"""Skinned textured surfaces in the layout the renderer draws: one entry per distinct (vertex, UV) corner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engines.keypoints import PART_OF_JOINT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """Triangles over corners; a corner is a mesh vertex with one UV."""

    vertex: np.ndarray
    """(C,) int32: mesh vertex of each corner."""
    triangles: np.ndarray
    """(T, 3) int32 into corners."""
    fixed: np.ndarray
    """(C, 3) float32: u, v (v upwards), part class."""
    weights: np.ndarray
    """(24, C) float32 skinning weights."""
    normals: np.ndarray
    """(3, C) float32: unit normals of the mean shape in the bind pose."""

    def posed(self, vertices: np.ndarray, transforms: np.ndarray) -> np.ndarray:
        """Bind-pose mesh vertices (V, 3), skinning matrices (24, 4, 4) -> (C, 6) float32 positions, normals."""
        # Corners last: every product runs over contiguous memory.
        blend = (transforms[:, :3].reshape(len(transforms), 12).T @ self.weights).reshape(3, 4, -1)
        rest = vertices[self.vertex].T
        out = np.empty((len(self.vertex), 6), np.float32)
        for row in range(3):
            b = blend[row]
            out[:, row] = b[0] * rest[0] + b[1] * rest[1] + b[2] * rest[2] + b[3]
            out[:, 3 + row] = b[0] * self.normals[0] + b[1] * self.normals[1] + b[2] * self.normals[2]
        return out


def triangulate(faces: Iterable[np.ndarray]) -> np.ndarray:
    """Faces of 3 or 4 corners, each (n, 2) of (vertex, uv) -> (T, 3, 2) int32."""
    out = []
    for face in faces:
        out.append(face[[0, 1, 2]])
        if len(face) == 4:
            out.append(face[[0, 2, 3]])
    return np.stack(out).astype(np.int32)


def corner_surface(triangles: np.ndarray, uv: np.ndarray, weights: np.ndarray, rest: np.ndarray) -> Surface:
    """Triangles (T, 3, 2) of (vertex, uv) indices, UV points, per-vertex weights and rest vertices -> Surface."""
    keys = triangles[..., 0].astype(np.int64) * (len(uv) + 1) + triangles[..., 1]
    unique, inverse = np.unique(keys.ravel(), return_inverse=True)
    vertex, uv_row = unique // (len(uv) + 1), unique % (len(uv) + 1)
    part = np.array(PART_OF_JOINT)[weights.argmax(axis=1)]
    return Surface(
        vertex=vertex.astype(np.int32),
        triangles=inverse.reshape(-1, 3).astype(np.int32),
        fixed=np.column_stack([uv[uv_row], part[vertex]]).astype(np.float32),
        weights=np.ascontiguousarray(weights[vertex].T, np.float32),
        normals=np.ascontiguousarray(vertex_normals(rest, triangles[..., 0])[vertex].T),
    )


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (V, 3) float32; zero where a vertex has no triangle."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    out = np.zeros(vertices.shape)
    for k in range(3):
        np.add.at(out, triangles[:, k], face)
    return (out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)).astype(np.float32)
