"""Estimates against known truth: which body is which, and how far their joints are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from engines.camera import Intrinsics
from engines.metrics import mpjpe, pa_mpjpe
from pipeline.types import TrackedBody

MATCH_PX_PER_HEIGHT = 0.35
"""An estimate belongs to a true body if their joints lie apart in the image by at most this share of its height."""
VISIBLE_SHARE = 0.7
"""A true body counts as missed only if this share of its joints lies inside the picture."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrueBody:
    """A body that is known exactly; conventions of `engines.estimate.BodyEstimate`."""

    pose: np.ndarray
    """(24, 3) float32 rotation vectors."""
    betas: np.ndarray
    """(10,) float32."""
    translation: np.ndarray
    """(3,) float32, metres, camera frame."""
    joints: np.ndarray
    """(24, 3) float32, metres, camera frame."""


def match(
    bodies: Sequence[TrackedBody], truths: Sequence[TrueBody], camera: Intrinsics
) -> list[tuple[TrackedBody, TrueBody]]:
    """Pairs of estimate and truth, at most one of each, by the distance of their joints in the image."""
    if not bodies or not truths:
        return []
    true_px = np.stack([camera.project(truth.joints) for truth in truths])
    found_px = np.stack([camera.project(tracked.estimate.joints) for tracked in bodies])
    heights = np.ptp(true_px[..., 1], axis=1)
    cost = np.linalg.norm(found_px[:, None] - true_px[None], axis=-1).mean(axis=-1) / np.maximum(heights, 1)
    rows, columns = linear_sum_assignment(cost)
    return [(bodies[r], truths[c]) for r, c in zip(rows, columns, strict=True) if cost[r, c] <= MATCH_PX_PER_HEIGHT]


class TruthMeter:
    """Running means over the frames of a run whose truth is known."""

    def __init__(self) -> None:
        self._errors: list[tuple[float, float, float]] = []
        self._expected = self._missed = self._false = 0

    def add(
        self,
        bodies: Sequence[TrackedBody],
        truths: Sequence[TrueBody],
        camera: Intrinsics,
        image_size: tuple[int, int],
    ) -> None:
        """Compare the bodies of one frame with the truth of that frame."""
        pairs = match(bodies, truths, camera)
        matched = {id(truth) for _, truth in pairs}
        for tracked, truth in pairs:
            joints = tracked.estimate.joints
            place = float(np.linalg.norm(joints[0] - truth.joints[0]))
            self._errors.append((float(mpjpe(joints, truth.joints)), float(pa_mpjpe(joints, truth.joints)), place))
        for truth in truths:
            points = camera.project(truth.joints)
            inside = ((points >= 0) & (points < image_size)).all(axis=1)
            if inside.mean() >= VISIBLE_SHARE:
                self._expected += 1
                self._missed += id(truth) not in matched
        self._false += len(bodies) - len(pairs)

    def report(self) -> dict[str, float | int]:
        """Figures for the summary: errors in millimetres, metres for the place; no errors without a matched body."""
        counts: dict[str, float | int] = {
            "bodies_compared": len(self._errors),
            "bodies_expected": self._expected,
            "bodies_missed": self._missed,
            "bodies_false": self._false,
        }
        if not self._errors:
            return counts
        joints, aligned, place = np.mean(self._errors, axis=0).tolist()
        return {
            **counts,
            "mpjpe_mm": round(joints * 1000, 1),
            "pa_mpjpe_mm": round(aligned * 1000, 1),
            "place_error_m": round(place, 3),
        }
