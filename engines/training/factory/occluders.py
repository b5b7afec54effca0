"""Textured boxes that stand between the camera and a person."""

from __future__ import annotations

import numpy as np

from engines.body.rotations import rotation_matrices
from engines.training.factory.drawable import Surface
from engines.training.factory.renderer import OCCLUDER_ID, Drawing, Material


def _box() -> tuple[Surface, np.ndarray, np.ndarray]:
    """Surface, (24, 3) corners of the cube [-1, 1]^3 and their normals."""
    corners, normals = [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            for u, v in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[[axis, (axis + 1) % 3, (axis + 2) % 3]] = sign, u, v
                corners.append(corner)
                normals.append(sign * np.eye(3)[axis])
    uv = np.tile([[0, 0], [1, 0], [1, 1], [0, 1]], (6, 1))
    quads = np.arange(24).reshape(6, 4)
    surface = Surface(
        vertex=np.arange(24, dtype=np.int32),
        triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32),
        fixed=np.column_stack([uv, np.zeros(24)]).astype(np.float32),
        weights=np.zeros((24, 24), np.float32),
        normals=np.array(normals, np.float32).T,
    )
    return surface, np.array(corners), np.array(normals)


_SURFACE, _CORNERS, _NORMALS = _box()


def draw_occluder(points: np.ndarray, texture: np.ndarray, rng: np.random.Generator) -> Drawing:
    """A box in front of a random one of the points (N, 3) in metres, camera frame; texture (h, w, 3) uint8."""
    hidden = points[rng.integers(len(points))]
    nearness = rng.uniform(0.55, 0.92)
    half = rng.uniform((0.03, 0.05, 0.02), (0.22, 0.35, 0.15)) * nearness
    centre = hidden * nearness + rng.normal(0, 0.08, 3) * (1, 1, 0)
    centre[2] = max(min(centre[2], points[:, 2].min() - half.max()), 0.15)
    rotation = rotation_matrices(rng.normal(0, 0.5, 3))
    corners = np.concatenate([(_CORNERS * half) @ rotation.T + centre, _NORMALS @ rotation.T], axis=1)
    material = Material(albedo="white", pattern=texture, pattern_mix=1.0, gloss=0.0)
    return Drawing(surface=_SURFACE, corners=corners.astype(np.float32), material=material, person=OCCLUDER_ID)
