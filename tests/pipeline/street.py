"""People walking through a picture, and what a locator and a trunk would say of them: the truth tracks are held to.

The trunk is as fallible as a real one: in a crop it finds the nearest person that is not hidden; the locator misses
people who are mostly hidden by somebody nearer to the camera.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engines.boxes import box_area
from engines.camera import Intrinsics
from engines.keypoints import NUM_POINTS
from pipeline.person_box import person_box
from pipeline.track import TrackState
from pipeline.tracker import Tracker
from pipeline.types import Frame

SIZE = (640, 360)
FPS = 30.0
FIGURE = np.random.default_rng(7).uniform((-0.16, -0.5), (0.16, 0.5), (NUM_POINTS, 2))
"""Keypoints of a standing figure, in body heights from its centre."""


@dataclass(frozen=True)
class Walker:
    """One person: centre over time, and while they are there."""

    name: str
    centre: Callable[[float], tuple[float, float]]
    height: float = 150.0
    depth: float = 1.0
    """Nearer people hide those behind them."""
    colour: tuple[int, int, int] = (200, 40, 40)
    present: Callable[[float], bool] = lambda t: True

    def points(self, t: float) -> np.ndarray:
        return np.column_stack([np.array(self.centre(t)) + self.height * FIGURE, np.full(NUM_POINTS, 0.9)])

    def box(self, t: float) -> np.ndarray:
        box = person_box(self.points(t))
        assert box is not None
        return box


@dataclass
class Street:
    """The scene, its locator and its trunk."""

    walkers: list[Walker]
    noise_px: float = 1.5
    jitter_box_px: float = 3.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    locator_calls: int = 0

    def visible(self, t: float) -> list[Walker]:
        """Those in the picture and not mostly hidden."""
        here = [w for w in self.walkers if w.present(t)]
        return [w for w in here if _hidden(w.box(t), [o.box(t) for o in here if o.depth < w.depth]) < 0.6]

    def frame(self, index: int, *, unrelated: bool = False) -> Frame:
        t = index / FPS
        image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        for walker in sorted(self.walkers, key=lambda w: -w.depth):
            if walker.present(t):
                x0, y0, x1, y1 = np.clip(walker.box(t), 0, [*SIZE, *SIZE]).astype(int)
                image[y0:y1, x0:x1] = walker.colour
        intrinsics = Intrinsics.from_fov(*SIZE)
        return Frame(
            stream="street", index=index, image=image, capture_ns=0, pts_s=t, intrinsics=intrinsics, unrelated=unrelated
        )

    def detect(self, t: float) -> np.ndarray:
        self.locator_calls += 1
        boxes = [[*(w.box(t) + self.rng.normal(size=4) * self.jitter_box_px), 0.9] for w in self.visible(t)]
        return np.array(boxes, np.float32).reshape(-1, 5)

    def look(self, box: np.ndarray, t: float) -> tuple[np.ndarray, float]:
        """Points and score that the trunk finds in the crop of ``box``."""
        centre = (box[:2] + box[2:]) / 2
        inside = [w for w in self.visible(t) if np.linalg.norm(w.centre(t) - centre) < 0.6 * w.height]
        if not inside:
            return np.column_stack([self.rng.uniform(0, 300, (NUM_POINTS, 2)), np.full(NUM_POINTS, 0.1)]), 0.05
        walker = min(inside, key=lambda w: np.linalg.norm(w.centre(t) - centre))
        points = walker.points(t)
        points[:, :2] += self.rng.normal(size=(NUM_POINTS, 2)) * self.noise_px
        return points.astype(np.float32), 0.9

    def step(self, tracker: Tracker, index: int, *, unrelated: bool = False) -> tuple[TrackState, ...]:
        """One frame through the tracker, as the estimator does it."""
        frame = self.frame(index, unrelated=unrelated)
        tracker.advance(frame)
        if tracker.needs_detection():
            tracker.merge_detections(self.detect(frame.pts_s))
        for target in tracker.targets():
            tracker.update(target.track_id, *self.look(target.box, frame.pts_s))
        return tracker.finish()

    def who(self, state: TrackState, t: float) -> str | None:
        """Whose box that is; None where nobody or several are there."""
        centre = (state.box[:2] + state.box[2:]) / 2
        near = [w for w in self.walkers if w.present(t) and np.linalg.norm(w.centre(t) - centre) < 0.4 * w.height]
        return near[0].name if len(near) == 1 else None

    def run(self, tracker: Tracker, seconds: float) -> list[dict[int, str | None]]:
        """Per frame: track id -> name."""
        frames = range(round(seconds * FPS))
        return [{s.track_id: self.who(s, i / FPS) for s in self.step(tracker, i)} for i in frames]


def _hidden(box: np.ndarray, others: list[np.ndarray]) -> float:
    """Largest part of a box that another covers."""
    parts = [0.0]
    for other in others:
        both = np.concatenate([np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])])
        parts.append(float(box_area(both) / box_area(box)))
    return max(parts)


def straight(x0, vx, y=180.0):
    return lambda t: (x0 + vx * t, y)
