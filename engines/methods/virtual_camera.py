"""The virtual camera of a crop: the source camera turned so that its axis passes through the crop's centre.

A person at the picture's edge is seen from the side by a camera that looks straight ahead; turned away, the same pose
gives other points. In the virtual camera that difference is gone. Crop units: 0 at the crop's centre, +-1 at its edges.
Networks read and answer in the virtual camera; the root rotation is turned back afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.camera import Intrinsics

_EDGES = np.array([(-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)])
"""Middles of a square's edges, in sides from its centre."""


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
        cameras = np.array([(i.fx, i.fy, i.cx, i.cy) for i in intrinsics], np.float64).reshape(-1, 4)
        focal, principal = cameras[:, :2], cameras[:, 2:]
        rotation = _to_axis(_rays(centers, focal, principal))
        edges = _rays(centers[:, None] + sides[:, None, None] * _EDGES, focal[:, None], principal[:, None])
        half = np.abs(_flat(edges, rotation)).max(-1).mean(-1)
        return cls(
            R_virtual_source=rotation.astype(np.float32),
            half_tan=half.astype(np.float32),
            focal_px=focal.astype(np.float32),
            principal_px=principal.astype(np.float32),
        )

    def to_crop(self, points_px: np.ndarray) -> np.ndarray:
        """Pixels of the source pictures (B, P, 2) -> crop units (B, P, 2) float32."""
        rays = _rays(np.asarray(points_px, np.float64), self.focal_px[:, None], self.principal_px[:, None])
        flat = _flat(rays, self.R_virtual_source.astype(np.float64))
        return (flat / self.half_tan[:, None, None]).astype(np.float32)

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Points or directions of the virtual cameras (B, ..., 3) -> of the source cameras."""
        back = self.R_virtual_source.transpose(0, 2, 1)
        return (points.reshape(len(back), -1, 3) @ back.transpose(0, 2, 1)).reshape(points.shape).astype(np.float32)


def _rays(points_px: np.ndarray, focal: np.ndarray, principal: np.ndarray) -> np.ndarray:
    flat = (points_px - principal) / focal
    return np.concatenate((flat, np.ones_like(flat[..., :1])), -1)


def _flat(rays: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Rays (B, P, 3) seen in the turned cameras (B, 3, 3), on their planes at distance one; those behind a camera are
    held in front of it."""
    turned = rays @ rotation.transpose(0, 2, 1)
    return turned[..., :2] / np.maximum(turned[..., 2:], 0.1)


def _to_axis(rays: np.ndarray) -> np.ndarray:
    """(B, 3) rays with positive z -> (B, 3, 3), the smallest rotations that take them to (0, 0, 1)."""
    unit = rays / np.sqrt((rays * rays).sum(-1, keepdims=True))
    xy, z = unit[:, :2], unit[:, 2:]
    out = np.empty((len(rays), 3, 3))
    out[:, :2, :2] = np.eye(2) - (xy / (1 + z))[:, :, None] * xy[:, None]
    out[:, :2, 2] = -xy
    out[:, 2] = unit
    return out
