"""Augmentation of person crops: one affine warp, a mirror, and what cameras do to colours and sharpness."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentRanges:
    """How far augmentation may go; the defaults are for training, `NONE` is for validation."""

    log_scale: float = 0.28
    shift: float = 0.07
    """Fraction of the crop's side."""
    rotation_deg: float = 28.0
    any_rotation_probability: float = 0.04
    """People upside down, lying, diving."""
    mirror: bool = True
    colour: float = 0.8
    occluder_probability: float = 0.15
    upper_body_probability: float = 0.15

    def scaled(self, strength: float) -> AugmentRanges:
        """Every range and probability times ``strength``; mirroring stays as it is."""
        ranges = ("log_scale", "shift", "rotation_deg", "any_rotation_probability", "colour", "occluder_probability",
                  "upper_body_probability")  # fmt: skip
        return replace(self, **{name: strength * getattr(self, name) for name in ranges})


NONE = replace(AugmentRanges().scaled(0), mirror=False)

_NOISE = np.random.default_rng(0).normal(0, 40, (512, 512)).astype(np.float32)

UPPER_BODY = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
"""COCO points of a webcam view."""


def crop_transform(
    rng: np.random.Generator, stored_px: int, margin: float, size_px: int, points: np.ndarray, ranges: AugmentRanges
) -> tuple[np.ndarray, bool]:
    """Random similarity (2, 3) from stored-crop pixels to network pixels (both corner-based), and whether to mirror.

    ``points`` (17, 3) are the person's COCO points with weights; upper-body views go by those in the crop.
    """
    centre = np.array([stored_px / 2, stored_px / 2])
    side = stored_px / margin
    if rng.random() < ranges.upper_body_probability:
        upper = points[UPPER_BODY]
        upper = upper[(upper[:, 2] > 0) & ((upper[:, :2] >= 0) & (upper[:, :2] < stored_px)).all(1)]
        if len(upper) >= 6:
            low, high = upper[:, :2].min(0), upper[:, :2].max(0)
            centre, side = (low + high) / 2, max(24.0, float((high - low).max()) * rng.uniform(1.1, 1.5))
    side *= np.exp(rng.uniform(-1, 1) * ranges.log_scale)
    centre = centre + rng.uniform(-1, 1, 2) * ranges.shift * side
    angle = np.clip(rng.normal(0, ranges.rotation_deg / 2), -ranges.rotation_deg, ranges.rotation_deg)
    if rng.random() < ranges.any_rotation_probability:
        angle = rng.uniform(-180, 180)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    linear = np.array([[cos, -sin], [sin, cos]]) * (size_px / side)
    mirror = bool(ranges.mirror and rng.random() < 0.5)
    if mirror:
        linear[0] *= -1
    return np.concatenate([linear, (size_px / 2 - linear @ centre)[:, None]], 1), mirror


def warp(image: np.ndarray, matrix: np.ndarray, size_px: int, *, nearest: bool = False, border: int = 0) -> np.ndarray:
    """Apply a corner-based (2, 3) map; OpenCV counts from pixel centres, hence the half pixels."""
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    # Linear sampling aliases below half size: shrink by areas first.
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if not nearest and scale < 0.6:
        factor = 0.5
        small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        centred[:, :2] = matrix[:, :2] / factor
        centred[:, 2] = matrix[:, 2] + centred[:, :2] @ (0.5, 0.5) - 0.5
        image = small
    return cv2.warpAffine(image, centred, (size_px, size_px), flags=flags, borderValue=(border,) * 3)


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(P, 2+) points through a (2, 3) map; further columns are kept."""
    moved = points.copy()
    moved[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return moved


def distort_colours(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Exposure, white balance, saturation, blur, low resolution and noise of real cameras, at random."""
    if strength <= 0:
        return image
    size = image.shape[0]
    if rng.random() < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.4) * size / 160)
    if rng.random() < 0.2:
        small = max(40, int(size * rng.uniform(0.3, 0.8)))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), (size, size))
    luma = np.array([0.299, 0.587, 0.114])
    saturation = 0.0 if rng.random() < 0.05 else 1 + strength * rng.uniform(-0.4, 0.4)
    gain = np.exp(strength * (rng.normal(0, 0.22) + rng.normal(0, 0.06, 3)))
    contrast = np.exp(strength * rng.normal(0, 0.15))
    mix = saturation * np.eye(3) + (1 - saturation) * luma
    middle = float(cv2.mean(image)[:3] @ luma)
    matrix = np.concatenate([contrast * gain[:, None] * mix, ((1 - contrast) * middle * gain)[:, None]], 1)
    image = cv2.transform(image, matrix)
    if rng.random() < 0.3:
        x, y = rng.integers(0, _NOISE.shape[0] - size, 2)
        noise = cv2.merge([_NOISE[y : y + size, x : x + size] * np.float32(rng.uniform(0.02, 0.3))] * 3)
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    return image


def occlude(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> np.ndarray:
    """Paste a rectangle of another picture, or a flat one, over part of this one."""
    size = image.shape[0]
    image = image.copy()
    width, height = rng.uniform(0.1, 0.45, 2) * size
    x, y = rng.uniform(0, size - width), rng.uniform(0, size - height)
    x0, y0, x1, y1 = int(x), int(y), int(x + width), int(y + height)
    if rng.random() < 0.7:
        resized = cv2.resize(donor, (size, size))
        image[y0:y1, x0:x1] = resized[y0:y1, x0:x1]
    else:
        image[y0:y1, x0:x1] = rng.integers(0, 256, 3)
    return image
