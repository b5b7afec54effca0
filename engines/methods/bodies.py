"""Bodies as methods find them, before they are published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.estimate import Surface

OUTLINE_LEVEL = 1
"""The mesh level whose outline is compared with the segmentation: about 1,750 vertices, 3 cm apart on an adult; a cell
of the segmentation is about 4 cm wide there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """B bodies in the source cameras' frames, float32."""

    pose: np.ndarray
    """(B, 24, 3) rotation vectors."""
    betas: np.ndarray
    """(B, 10)"""
    translation: np.ndarray
    """(B, 3) metres: the pelvis."""
    joints: np.ndarray
    """(B, 24, 3) metres."""
    vertices: np.ndarray | None = None
    """(B, V, 3) metres, of `OUTLINE_LEVEL`, where they came along with the joints."""
    surfaces: tuple[Surface | None, ...] = ()
    """Per body, from methods that were asked for them; else empty."""

    @classmethod
    def of(cls, body: BodyModel, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> Bodies:
        """With the joints and vertices that follow; arrays of any float type."""
        pose, betas, place = (np.asarray(values, np.float32) for values in (pose, betas, translation))
        posed = body.forward(pose, betas, place, OUTLINE_LEVEL)
        return cls(pose=pose, betas=betas, translation=place, joints=posed.joints, vertices=posed.vertices)
