"""An estimator that costs nothing: the brightest spot of a picture is a body, four metres away.

It lets a campaign put the whole load on what moves frames; and since it says where the bright spot was, a subscriber
can tell when the picture was painted (`pipeline.chaos.camera`).
"""

from __future__ import annotations

import numpy as np

from engines.estimate import BodyEstimate
from engines.keypoints import NUM_POINTS
from pipeline.types import Frame, FrameResult, TrackedBody

DEPTH_M = 4.0
GRID_PX = 4
"""Every so many pixels are looked at."""


class BrightEstimator:
    """See `pipeline.runner.FrameEstimator`."""

    weights: dict[str, str] = {}  # noqa: RUF012  (it has none)

    def warm_up(self) -> None:
        pass

    def look(self, frames: list[Frame]) -> list[FrameResult]:
        return [FrameResult(frame=frame, bodies=_bodies(frame)) for frame in frames]

    def lift(self, looked: list[FrameResult]) -> list[FrameResult]:
        return looked

    def catch_up(self, looked: list[FrameResult]) -> None:
        pass

    def close(self) -> None:
        pass


def _bodies(frame: Frame) -> tuple[TrackedBody, ...]:
    columns = np.asarray(frame.image)[::GRID_PX, ::GRID_PX].sum(axis=(0, 2), dtype=np.int64)
    x, y = (int(columns.argmax()) + 0.5) * GRID_PX, frame.size[1] / 2
    camera = frame.intrinsics
    place = DEPTH_M * np.array([(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1], np.float32)
    estimate = BodyEstimate(
        pose=np.zeros((24, 3), np.float32),
        betas=np.zeros(10, np.float32),
        translation=place,
        joints=np.tile(place, (24, 1)),
        points_px=np.tile(np.array([x, y, 1], np.float32), (NUM_POINTS, 1)),
        score=1.0,
        quality=float("nan"),
    )
    return (TrackedBody(track_id=1, box_xyxy=np.array([x - 8, 0, x + 8, 2 * y], np.float32), estimate=estimate),)
