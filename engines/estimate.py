"""What a method says about one person in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A closed mesh of its own topology: what a volume shows of a person, clothes included."""

    vertices: np.ndarray
    """(V, 3) float32, metres, camera frame."""
    faces: np.ndarray
    """(F, 3) int32, counter-clockwise seen from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the networks see where somebody may be."""

    points_px: np.ndarray
    """(41, 3) float32: x, y in pixels of the source image, confidence 0..1; in the order of `POINT_NAMES`."""
    score: float
    """0..1: how sure the networks are that a person is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyEstimate(Sighting):
    """Pose, shape and place of one body, with the evidence in the image it rests on."""

    pose: np.ndarray
    """(24, 3) float32 rotation vectors, radians; row 0 turns the body's axes (x left, y up, z forward) into the camera
    frame, the others are local to their parent; zero is the T-pose."""
    betas: np.ndarray
    """(10,) float32 shape coefficients, standard deviations."""
    translation: np.ndarray
    """(3,) float32, metres, camera frame: the pelvis joint."""
    joints: np.ndarray
    """(24, 3) float32, metres, camera frame."""
    quality: float
    """0..1: how well the body agrees with what the trunk saw, and how wrong bodies of its kind are, see
    `engines.methods.quality`; NaN where the trunk saw points alone or nothing."""
    silhouette_iou: float = float("nan")
    """0..1: of this, the IoU of the projected body with the trunk's segmentation; NaN where it was not computed."""
    surface: Surface | None = None
    """The isosurface of `bodynet`, as estimated (no filter over time moves it), where it was asked for."""
