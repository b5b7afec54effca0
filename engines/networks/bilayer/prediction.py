"""A body in the virtual camera of a crop, and its projection."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class BodyPrediction:
    """One estimate, in the crop's virtual camera."""

    rotations: Tensor
    """(B, 24, 3, 3) local; row 0 turns the body into the virtual camera."""
    betas: Tensor
    """(B, 10)"""
    camera: Tensor
    """(B, 3): log of metres per crop unit at the pelvis' depth, and the pelvis' x, y in crop units."""
    turns: Tensor
    """(B, 24, 3, 3) global rotations."""
    joints: Tensor
    """(B, 24, 3) metres relative to the pelvis."""
    landmarks: Tensor
    """(B, 17, 3) metres relative to the pelvis."""
    vertices: Tensor | None = None
    """(B, V, 3) metres relative to the pelvis: the mesh branch's own answer, where there is one."""


def project(points: Tensor, camera: Tensor, half_tan: Tensor) -> Tensor:
    """Points (B, P, 3) relative to the pelvis -> (B, P, 2) crop units under full perspective.

    With scale m (metres per crop unit) the pelvis lies at depth m / half_tan, so x = (X + u m) / (Z half_tan + m).
    """
    scale = camera[:, None, :1].exp()
    depth = (points[..., 2:] * half_tan[:, None] + scale).clamp_min(0.05 * scale.detach())
    return (points[..., :2] + camera[:, None, 1:] * scale) / depth
