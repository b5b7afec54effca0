"""Bodies as methods find them, before they are published."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
