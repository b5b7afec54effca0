"""How well bodies agree with a teacher's keypoints: matching people, counting limb points, jitter. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.keypoints import COCO_NAMES, JOINT_NAMES

LIMB_POINTS = tuple(range(5, 17))
"""COCO's shoulders, elbows, wrists, hips, knees, ankles."""
LIMB_JOINTS = tuple(JOINT_NAMES.index(COCO_NAMES[point]) for point in LIMB_POINTS)
"""The body's joints of the same names."""
MIN_CONFIDENCE = 0.3
"""A teacher's point counts above this confidence."""
REACH_TORSOS = 0.2
"""A point agrees within this many torso lengths."""
MATCH_TORSOS = 2.0
"""People further apart than this on average are not the same person."""

_SHOULDERS, _HIPS = (5, 6), (11, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A teacher's person and the body matched to it, in one frame."""

    frame: int
    body: int
    """Index of the body among the frame's bodies."""
    teacher: np.ndarray
    """(17, 3): x, y, confidence."""
    torso_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """All pairs of a clip and what was left over."""

    pairs: tuple[Pair, ...] = ()
    teacher_frames: int = 0
    """Frames in which the teacher sees a person."""
    body_frames: int = 0
    """Of these, frames in which there is at least one body."""
    teacher_people: int = 0
    """Measurable people over all frames, matched or not."""
    missed: tuple[tuple[int, np.ndarray], ...] = field(default=())
    """(frame, keypoints) of measurable teacher people with no body."""


def torso_length(person: np.ndarray) -> float:
    """Mid-shoulder to mid-hip in pixels, from (17, 3) points; NaN without a confident shoulder and a confident hip."""
    middles = []
    for pair in (_SHOULDERS, _HIPS):
        sure = [person[point, :2] for point in pair if person[point, 2] > MIN_CONFIDENCE]
        if not sure:
            return float("nan")
        middles.append(np.mean(sure, axis=0))
    length = float(np.linalg.norm(middles[0] - middles[1]))
    return length if length >= 1 else float("nan")


def confident_limbs(person: np.ndarray) -> np.ndarray:
    """(12,) bool: which limb points of a (17, 3) person count."""
    return person[LIMB_POINTS, 2] > MIN_CONFIDENCE


def match_people(teacher: Sequence[np.ndarray], bodies: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Greedy one-to-one matching, nearest pair first.

    ``teacher``: (17, 3) points each, with a measurable torso; ``bodies``: (17, 2+) points each. The distance is the
    mean over the teacher's confident limb points in torso lengths. Returns (teacher index, body index) pairs.
    """
    candidates = []
    for t, person in enumerate(teacher):
        sure = confident_limbs(person)
        for b, body in enumerate(bodies):
            apart = np.linalg.norm(body[LIMB_POINTS, :2] - person[LIMB_POINTS, :2], axis=-1)[sure].mean()
            candidates.append((float(apart) / torso_length(person), t, b))
    chosen: list[tuple[int, int]] = []
    for apart, t, b in sorted(candidates):
        if apart <= MATCH_TORSOS and all(t != t2 and b != b2 for t2, b2 in chosen):
            chosen.append((t, b))
    return chosen


def match_clip(teacher: Mapping[int, Sequence[np.ndarray]], bodies: Mapping[int, Sequence[np.ndarray]]) -> Matches:
    """Match a clip frame by frame.

    ``teacher``: frame -> people (17, 3); ``bodies``: frame -> COCO points (17, 2+) of each body. A teacher's person
    whose torso cannot be measured counts for `teacher_frames`, not for points.
    """
    pairs: list[Pair] = []
    missed: list[tuple[int, np.ndarray]] = []
    frames = {frame: people for frame, people in teacher.items() if len(people)}
    for frame, people in frames.items():
        measurable = [person for person in people if np.isfinite(torso_length(person))]
        matched = match_people(measurable, bodies.get(frame, ()))
        for t, b in matched:
            pairs.append(Pair(frame=frame, body=b, teacher=measurable[t], torso_px=torso_length(measurable[t])))
        found = {t for t, _ in matched}
        missed += [(frame, person) for t, person in enumerate(measurable) if t not in found]
    return Matches(
        pairs=tuple(pairs),
        teacher_frames=len(frames),
        body_frames=sum(1 for frame in frames if len(bodies.get(frame, ()))),
        teacher_people=len(pairs) + len(missed),
        missed=tuple(missed),
    )


def limb_errors(pairs: Sequence[Pair], limbs: Sequence[np.ndarray]) -> np.ndarray:
    """(P, 12) distances in torso lengths, NaN where the teacher is not sure; ``limbs``: (12, 2+) points per pair."""
    errors = np.full((len(pairs), len(LIMB_POINTS)), np.nan)
    for row, (pair, points) in enumerate(zip(pairs, limbs, strict=True)):
        sure = confident_limbs(pair.teacher)
        apart = np.linalg.norm(points[:, :2] - pair.teacher[LIMB_POINTS, :2], axis=-1)
        errors[row, sure] = apart[sure] / pair.torso_px
    return errors


def share_within(errors: np.ndarray, also_missed: int = 0) -> float:
    """Share of the measured entries of `limb_errors` within reach; ``also_missed`` more points count as failed."""
    measured = int(np.isfinite(errors).sum()) + also_missed
    return float((errors <= REACH_TORSOS).sum()) / measured if measured else float("nan")


def jitter_torsos(pairs: Sequence[Pair], tracks: Sequence[int], limbs: Sequence[np.ndarray]) -> float:
    """Mean second difference of limb points over three successive frames of a track, in torso lengths per frame^2.

    ``tracks``: identity per pair; ``limbs``: (12, 2+) points per pair, of the product or of the teacher. Only points
    the teacher is sure of in all three frames count. NaN where no three frames follow one another.
    """
    at = {(track, pair.frame): row for row, (track, pair) in enumerate(zip(tracks, pairs, strict=True))}
    values: list[np.ndarray] = []
    for (track, frame), row in at.items():
        before, after = at.get((track, frame - 1)), at.get((track, frame + 1))
        if before is None or after is None:
            continue
        three = (before, row, after)
        sure = np.all([confident_limbs(pairs[r].teacher) for r in three], axis=0)
        bend = limbs[before][:, :2] - 2 * limbs[row][:, :2] + limbs[after][:, :2]
        values.append(np.linalg.norm(bend, axis=-1)[sure] / pairs[row].torso_px)
    return float(np.concatenate(values).mean()) if values else float("nan")
