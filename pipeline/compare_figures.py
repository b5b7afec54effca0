"""Figures of one method over a clip: agreement with the picture, steadiness, and error where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.metrics import jitter, mpjpe, pa_mpjpe, pve
from pipeline.compare_methods import MethodFrame
from pipeline.truth import TrueBody, match
from pipeline.types import Frame, TrackedBody

LIMB_POINTS = tuple(range(5, 17))
MIN_CONFIDENCE = 0.5
"""Image points less sure than this say nothing about a body."""
REACH_TORSOS = 0.2
_SHOULDERS, _HIPS = (5, 6), (11, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodFigures:
    """NaN where there was nothing to measure."""

    bodies: int
    ms_per_person: float
    own_ms_per_person: float
    """Without crops and trunk."""
    keypoints_within: float
    """Share of sure limb points that have the body's own within 0.2 torso lengths."""
    silhouette_iou: float
    jitter_raw: float
    """m / s^3, joints relative to the pelvis, before smoothing."""
    jitter: float
    pa_mpjpe_mm: float
    mpjpe_mm: float
    pve_mm: float


class MethodMeter:
    """Adds up frames of one method."""

    def __init__(self, body: BodyModel, fps: float) -> None:
        self._body = body
        self._fps = fps if fps > 0 else 30.0
        self._bodies = 0
        self._within = self._sure = 0
        self._ious: list[float] = []
        self._errors: list[tuple[float, float, float]] = []
        self._raw, self._smooth = _Motion(), _Motion()

    def add(self, frame: Frame, seen: MethodFrame, truths: Sequence[TrueBody] | None) -> None:
        """``truths``: all bodies that stand in the frame, None where nobody knows."""
        self._bodies += len(seen.bodies)
        self._ious += [tracked.estimate.silhouette_iou for tracked in seen.raw]
        if not frame.unrelated:
            self._raw.add(frame.index, seen.raw)
            self._smooth.add(frame.index, seen.bodies)
        if not seen.bodies:
            return
        estimates = [tracked.estimate for tracked in seen.bodies]
        vertices = self._body.forward(
            np.stack([e.pose for e in estimates]),
            np.stack([e.betas for e in estimates]),
            np.stack([e.translation for e in estimates]),
        ).vertices
        landmarks = self._body.coco(vertices)
        for tracked, own in zip(seen.bodies, landmarks, strict=True):
            within, sure = points_within(tracked.estimate.points_px, frame.intrinsics.project(own))
            self._within += within
            self._sure += sure
        if truths is None:
            return
        rows = {tracked.track_id: row for row, tracked in enumerate(seen.bodies)}
        for tracked, truth in match(seen.bodies, truths, frame.intrinsics):
            joints = tracked.estimate.joints
            true = self._body.forward(truth.pose, truth.betas, truth.translation).vertices[0]
            surface = pve(vertices[rows[tracked.track_id]], true, joints[0], truth.joints[0])
            self._errors.append(
                (float(pa_mpjpe(joints, truth.joints)), float(mpjpe(joints, truth.joints)), float(surface))
            )

    def figures(self, ms_per_person: float, own_ms_per_person: float) -> MethodFigures:
        """What was measured; the times come from elsewhere."""
        ious = np.array(self._ious)
        errors = 1000 * np.array(self._errors).reshape(-1, 3)
        pa, joints, surface = errors.mean(0).tolist() if len(errors) else (float("nan"),) * 3
        return MethodFigures(
            bodies=self._bodies,
            ms_per_person=ms_per_person,
            own_ms_per_person=own_ms_per_person,
            keypoints_within=self._within / self._sure if self._sure else float("nan"),
            silhouette_iou=float(ious[np.isfinite(ious)].mean()) if np.isfinite(ious).any() else float("nan"),
            jitter_raw=self._raw.jitter(self._fps),
            jitter=self._smooth.jitter(self._fps),
            pa_mpjpe_mm=pa,
            mpjpe_mm=joints,
            pve_mm=surface,
        )


def points_within(points_px: np.ndarray, own_px: np.ndarray) -> tuple[int, int]:
    """How many of the sure limb points (41, 3) lie within reach of the body's own (17, 2), and of how many.

    None of none where no torso can be measured.
    """
    sure = points_px[:, 2] >= MIN_CONFIDENCE
    middles = [points_px[[p for p in pair if sure[p]], :2] for pair in (_SHOULDERS, _HIPS)]
    if not all(len(middle) for middle in middles):
        return 0, 0
    torso = float(np.linalg.norm(middles[0].mean(0) - middles[1].mean(0)))
    limbs = [point for point in LIMB_POINTS if sure[point]]
    apart = np.linalg.norm(points_px[limbs, :2] - own_px[limbs], axis=-1)
    return int((apart <= REACH_TORSOS * torso).sum()), len(limbs)


class _Motion:
    """Joints of every track, cut where frames are missing."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[list[np.ndarray]]] = {}
        self._last: dict[int, int] = {}

    def add(self, frame: int, bodies: Sequence[TrackedBody]) -> None:
        for tracked in bodies:
            pieces = self._pieces.setdefault(tracked.track_id, [])
            if self._last.get(tracked.track_id) != frame - 1:
                pieces.append([])
            self._last[tracked.track_id] = frame
            pieces[-1].append(tracked.estimate.joints - tracked.estimate.joints[:1])

    def jitter(self, fps: float) -> float:
        pieces = [np.stack(piece) for track in self._pieces.values() for piece in track if len(piece) >= 4]
        if not pieces:
            return float("nan")
        return float(np.average([jitter(piece, fps) for piece in pieces], weights=[len(piece) - 3 for piece in pieces]))


def true_jitter(truths: Sequence[Sequence[TrueBody]], fps: float) -> float:
    """Of the bodies that were drawn, the same number in every frame; m / s^3, relative to the pelvis."""
    if len(truths) < 4 or not truths[0]:
        return float("nan")
    motion = np.stack([[body.joints - body.joints[:1] for body in frame] for frame in truths])
    return float(np.mean(jitter(motion, fps)))
