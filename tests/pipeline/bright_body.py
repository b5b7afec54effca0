"""A real but cheap estimator: the brightest spot of a picture is a body that stands there.

Run as a program it is `bodystream run` with this estimator; the environment variable FRAME_S makes each frame take that
many seconds more, BREAK_AT makes it fail at that frame.
"""

import os
import sys
import time

import numpy as np

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_POINTS
from pipeline.types import Frame, FrameResult, TrackedBody


class BrightBodyEstimator:
    """Finds one body per frame that is not black."""

    def __init__(self, body: BodyModel | None = None, *, frame_s: float = 0.0, break_at: int = -1) -> None:
        self.frame_s, self.break_at = frame_s, break_at
        self.closed = False
        self.seen: list[tuple[str, int]] = []
        self.weights = {"bright": "0" * 64}

    def warm_up(self) -> None:
        pass

    def look(self, frames: list[Frame]) -> list[FrameResult]:
        return [self.process(frame) for frame in frames]

    def lift(self, looked: list[FrameResult]) -> list[FrameResult]:
        return looked

    def catch_up(self, looked) -> None:
        pass

    def process(self, frame: Frame) -> FrameResult:
        started = time.perf_counter()
        self.seen.append((frame.stream, frame.index))
        if frame.index == self.break_at:
            raise RuntimeError(f"cannot think about frame {frame.index}")
        if self.frame_s:
            time.sleep(self.frame_s)
        grey = frame.image[::4, ::4].sum(axis=2)
        y, x = np.unravel_index(int(grey.argmax()), grey.shape)
        bodies = ()
        if grey[y, x] > 0:
            bodies = (self._body(4.0 * x, 4.0 * y, frame),)
        return FrameResult(frame=frame, bodies=bodies, spans_ms={"threshold": (time.perf_counter() - started) * 1e3})

    def close(self) -> None:
        self.closed = True

    @staticmethod
    def _body(x: float, y: float, frame: Frame) -> TrackedBody:
        camera = frame.intrinsics
        place = np.array([(x - camera.cx) / camera.fx * 4, (y - camera.cy) / camera.fy * 4, 4], np.float32)
        pose = np.zeros((24, 3), np.float32)
        pose[0, 0] = np.pi
        estimate = BodyEstimate(
            pose=pose,
            betas=np.zeros(10, np.float32),
            translation=place,
            joints=np.tile(place, (24, 1)),
            points_px=np.tile(np.array([x, y, 1], np.float32), (NUM_POINTS, 1)),
            score=1.0,
            quality=float("nan"),
        )
        box = np.array([x - 8, y - 8, x + 8, y + 8], np.float32)
        return TrackedBody(track_id=1, box_xyxy=box, estimate=estimate)


if __name__ == "__main__":
    from pipeline.cli import run

    def build(config: object, body: BodyModel) -> BrightBodyEstimator:
        time.sleep(float(os.environ.get("LOAD_S", "0")))
        return BrightBodyEstimator(
            body, frame_s=float(os.environ.get("FRAME_S", "0")), break_at=int(os.environ.get("BREAK_AT", "-1"))
        )

    sys.exit(run(build_estimator=build))
