"""Bodies as methods find them, before they are published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.estimate import Surface


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
    surfaces: tuple[Surface | None, ...] = ()
    """Per body, from methods that were asked for them; else empty."""

    @classmethod
    def of(cls, body: BodyModel, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> Bodies:
        """With the joints that follow; arrays of any float type."""
        pose, betas, place = (np.asarray(values, np.float32) for values in (pose, betas, translation))
        return cls(pose=pose, betas=betas, translation=place, joints=body.joints(pose, betas, place))
