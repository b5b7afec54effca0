"""Between the source threads and the estimator thread: one lane per stream, all served at once."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pipeline.batcher import BatchPolicy
from pipeline.sources.base import Delivery
from pipeline.types import Frame

BLOCK_CAPACITY = 3
"""Frames a finite source may decode ahead: enough to keep a decoder busy, few enough for 4K frames."""


@dataclass(slots=True)
class _Lane:
    delivery: Delivery
    frames: deque[tuple[Frame, dict[str, float]]] = field(default_factory=deque)
    since_s: float = 0.0
    """When its first frame could have been taken."""
    finished: bool = False
    dropped: int = 0

    @property
    def capacity(self) -> int:
        return 1 if self.delivery is Delivery.LATEST else BLOCK_CAPACITY


class FrameInbox:
    """Frames that wait for the estimator.

    A LATEST lane holds one frame and a newer one replaces it; a BLOCK lane makes its source wait. `take` gives one
    frame of each stream, so that a fast stream cannot starve a slow one and one engine call serves all.
    """

    def __init__(
        self,
        lanes: Mapping[str, Delivery],
        policy: BatchPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`lanes`: stream name -> delivery of its source; `policy`: when streams wait for others, default never."""
        self._policy, self._clock = policy or BatchPolicy(), clock
        self._lanes = {stream: _Lane(delivery) for stream, delivery in lanes.items()}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, frame: Frame, spans_ms: dict[str, float]) -> bool:
        """Hand over a frame; waits for room in a BLOCK lane. False if the inbox is closed: the frame was dropped."""
        lane = self._lanes[frame.stream]
        with self._changed:
            if lane.delivery is Delivery.BLOCK:
                self._changed.wait_for(lambda: len(lane.frames) < lane.capacity or self._closed)
            if self._closed or lane.finished:
                lane.dropped += 1
                return False
            if len(lane.frames) >= lane.capacity:
                lane.frames.popleft()
                lane.dropped += 1
            elif not lane.frames:
                lane.since_s = self._clock()
            lane.frames.append((frame, spans_ms))
            self._changed.notify_all()
            return True

    def finish(self, stream: str) -> None:
        """No more frames of this stream will come."""
        with self._changed:
            self._lanes[stream].finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Refuse further frames and wake those who wait to put one. What is inside can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self) -> list[tuple[Frame, dict[str, float]]]:
        """The next frame of every stream that has one, each with what its stages took so far (ms).

        Waits until there is one, and as long as the policy says; empty when nothing more can come.
        """
        with self._changed:
            while True:
                waiting = {stream: lane.since_s for stream, lane in self._lanes.items() if lane.frames}
                expected = [lane for lane in self._lanes.values() if not lane.frames and not lane.finished]
                absent = 0 if self._closed else len(expected)
                if not waiting and not absent:
                    return []
                streams, wait_s = self._policy.next_call(waiting, absent, self._clock())
                if streams:
                    break
                self._changed.wait(None if wait_s == math.inf else wait_s)
            lanes = [self._lanes[stream] for stream in streams]
            for lane in lanes:
                lane.since_s = self._clock()  # of its next frame, where one waits already
            taken = [lane.frames.popleft() for lane in lanes]
            self._changed.notify_all()
            return taken

    @property
    def dropped(self) -> dict[str, int]:
        """Stream name -> frames that were put and never taken."""
        with self._changed:
            return {stream: lane.dropped for stream, lane in self._lanes.items()}
