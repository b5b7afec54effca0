"""One person of a stream, as the tracker knows them and as it tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.box_motion import BoxMotion
from pipeline.person_box import keypoint_similarity


@dataclass(frozen=True, slots=True)
class TrackState:
    """One person at the time of the frame."""

    track_id: int
    """Positive, unique in the stream, never reused."""
    box: np.ndarray
    """(4,) float32 x0, y0, x1, y1, pixels: of the whole person; may reach out of the picture."""
    phase: Literal["new", "followed", "lost"]
    unseen_s: float
    """Time since this person was last seen."""
    least_score: float
    """With an estimate that scores less, nobody is there."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where the whole of a body lay in a frame."""

    joints_px: np.ndarray
    """(Q, 2), pixels."""
    points_px: np.ndarray
    """(P, 3) x, y, confidence: what was seen of the person in that frame."""

    def moved_to(self, points_px: np.ndarray) -> np.ndarray:
        """(Q, 2): where it lies in a later frame, in which the points (P, 3) were seen."""
        weights = np.minimum(self.points_px[:, 2], points_px[:, 2])[:, None]
        moved = (weights * (points_px[:, :2] - self.points_px[:, :2])).sum(0) / max(float(weights.sum()), 1e-6)
        return self.joints_px + moved


@dataclass(slots=True, eq=False)
class Track:
    track_id: int
    motion: BoxMotion
    seen_s: float
    phase: Literal["new", "followed", "lost"] = "new"
    points: np.ndarray | None = None
    """Last confirmed keypoints, moved along with the prediction."""
    colours: np.ndarray | None = None
    measured: np.ndarray | None = None
    """Keypoints of this frame, not yet known to be this track's own."""
    measured_box: np.ndarray | None = None
    proposed: np.ndarray | None = None
    """(5,): the detection that made or revived this track in this frame."""
    body: Extent | None = None
    """Of the last frame whose body is known."""
    support: float = 1.0
    """The locator's score of this person, the mean of its last looks."""

    def propose(self, detection: np.ndarray) -> None:
        self.proposed, self.support = detection, float(detection[4])

    def move(self, motion: BoxMotion) -> None:
        """Takes the expected keypoints along."""
        if self.points is not None:
            shift = np.append(motion.position[:2] - self.motion.position[:2], 0)
            self.points = self.points + shift.astype(self.points.dtype)
        self.motion = motion

    def own_fit(self) -> float:
        """How well the measured points agree with where its own motion expected them, 0 to 1."""
        if self.points is None or self.measured is None:
            return 0.0
        return keypoint_similarity(self.points, self.measured)
