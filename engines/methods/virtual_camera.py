"""The virtual camera of a crop: the source camera turned so that its axis passes through the crop's centre.

A person at the picture's edge is seen from the side by a camera that looks straight ahead; turned away, the same pose
gives other points. In the virtual camera that difference is gone. Crop units: 0 at the crop's centre, +-1 at its edges.
Networks read and answer in the virtual camera; the root rotation is turned back afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engines.camera import Intrinsics

_EDGES = ((-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5))
"""Middles of a square's edges, in sides from its centre."""
_NEAR = 0.1
"""What lies behind a camera is held so far in front of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualCamera:
    """Virtual cameras of B crops, float32."""

    R_virtual_source: np.ndarray
    """(B, 3, 3): the smallest rotation that takes the ray of the crop's centre to the optical axis."""
    half_tan: np.ndarray
    """(B,): tangent of half the crop's opening."""
    focal_px: np.ndarray
    """(B, 2) of the source cameras."""
    principal_px: np.ndarray
    """(B, 2) of the source cameras."""

    @classmethod
    def of_crops(cls, intrinsics: list[Intrinsics], centers_px: np.ndarray, sides_px: np.ndarray) -> VirtualCamera:
        """centers_px (B, 2) and sides_px (B,), pixels of the source pictures. Raises ValueError on empty crops."""
        centers, sides = np.asarray(centers_px, np.float64), np.asarray(sides_px, np.float64)
        if not (np.isfinite(centers).all() and np.isfinite(sides).all() and (sides > 0).all()):
            raise ValueError(
                f"crops have centres {centers.tolist()} and sides {sides.tolist()}: sides must be positive"
            )
        crops = list(zip(intrinsics, centers.tolist(), sides.tolist(), strict=True))
        rotations = [_to_axis(*_ray(camera, *center)) for camera, center, _ in crops]
        half = [_half_tan(*crop, rotation) for crop, rotation in zip(crops, rotations, strict=True)]
        cameras = np.array([(i.fx, i.fy, i.cx, i.cy) for i in intrinsics], np.float32).reshape(-1, 4)
        return cls(
            R_virtual_source=np.array(rotations, np.float32).reshape(-1, 3, 3),
            half_tan=np.array(half, np.float32),
            focal_px=cameras[:, :2],
            principal_px=cameras[:, 2:],
        )

    def to_crop(self, points_px: np.ndarray) -> np.ndarray:
        """Pixels of the source pictures (B, P, 2) -> crop units (B, P, 2) float32."""
        flat = (np.asarray(points_px, np.float64) - self.principal_px[:, None]) / self.focal_px[:, None]
        rotation = self.R_virtual_source.transpose(0, 2, 1)
        turned = flat @ rotation[:, :2] + rotation[:, 2:]
        return (turned[..., :2] / (np.maximum(turned[..., 2:], _NEAR) * self.half_tan[:, None, None])).astype(
            np.float32
        )

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Points or directions of the virtual cameras (B, ..., 3) -> of the source cameras."""
        back = self.R_virtual_source.transpose(0, 2, 1)
        return (points.reshape(len(back), -1, 3) @ back.transpose(0, 2, 1)).reshape(points.shape).astype(np.float32)


# Plain floats: for the few crops of a frame they are faster than arrays.
Vector = tuple[float, float, float]


def _ray(camera: Intrinsics, x_px: float, y_px: float) -> Vector:
    return (x_px - camera.cx) / camera.fx, (y_px - camera.cy) / camera.fy, 1.0


def _to_axis(x: float, y: float, z: float) -> tuple[Vector, Vector, Vector]:
    """The smallest rotation that takes a ray with positive z to (0, 0, 1)."""
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / length, y / length, z / length
    mixed = -x * y / (1 + z)
    return (1 - x * x / (1 + z), mixed, -x), (mixed, 1 - y * y / (1 + z), -y), (x, y, z)


def _half_tan(
    camera: Intrinsics, center_px: list[float], side_px: float, rotation: tuple[Vector, Vector, Vector]
) -> float:
    """Mean over the edges of how far from the axis they lie on the plane at distance one."""
    total = 0.0
    for edge_x, edge_y in _EDGES:
        ray = _ray(camera, center_px[0] + side_px * edge_x, center_px[1] + side_px * edge_y)
        x, y, z = (row[0] * ray[0] + row[1] * ray[1] + row[2] * ray[2] for row in rotation)
        total += max(abs(x), abs(y)) / max(z, _NEAR)
    return total / len(_EDGES)
