"""Frames and results without content, for tests of what moves them."""

import time
from collections.abc import Iterator

import numpy as np

from pipeline.sources import CameraOption, Delivery, Source, SourceOptions
from pipeline.types import Frame, FrameResult


def make_frame(index: int = 0, stream: str = "s", size: tuple[int, int] = (16, 12)) -> Frame:
    width, height = size
    return Frame(
        stream=stream,
        index=index,
        image=np.full((height, width, 3), index % 256, np.uint8),
        capture_ns=time.monotonic_ns(),
        pts_s=index / 30,
        intrinsics=CameraOption().for_size(width, height),
    )


def make_result(index: int = 0, stream: str = "s") -> FrameResult:
    return FrameResult(frame=make_frame(index, stream), bodies=())


class CountedSource(Source):
    """`count` frames, one every `interval_s`; with `breaks_with`, that error after them."""

    def __init__(self, count, *, stream="s", delivery=Delivery.BLOCK, interval_s=0.0, breaks_with=None):
        super().__init__("counted", SourceOptions(stream=stream))
        self.delivery = delivery  # type: ignore[misc]
        self._frames: Iterator[Frame] = (make_frame(i, stream) for i in range(count))
        self._interval_s, self._breaks_with = interval_s, breaks_with

    def _open(self):
        pass

    def _next(self):
        if self._stop.wait(self._interval_s):
            return None
        frame = next(self._frames, None)
        if frame is None and self._breaks_with is not None:
            raise self._breaks_with
        return frame


class ListSink:
    """Keeps what it gets; waits for `gate` (a threading.Event) before each result if there is one."""

    def __init__(self, name="list", *, gate=None, breaks_at=None):
        self.name, self.gate, self.breaks_at = name, gate, breaks_at
        self.results, self.noted, self.closed = [], [], 0

    def write(self, result):
        if self.gate is not None:
            self.gate.wait()
        if result.frame.index == self.breaks_at:
            raise OSError(28, "No space left on device")
        self.results.append(result)

    @property
    def indices(self):
        return [result.frame.index for result in self.results]

    def note_drops(self, count):
        self.noted.append(count)

    def close(self):
        self.closed += 1

    def report(self):
        return {"figures": {"results": len(self.results)}}
