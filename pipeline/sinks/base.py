"""A sink takes results; a `SinkThread` gives it a thread and a bounded queue, so that it can never slow the estimator.

A sink is used by one thread at a time: it is built in the main thread, then `write` and `close` run in the sink's own.
Three more methods are optional, and `threads`, those of its own that must live until `close`:

    note_drops(count: int)   `count` results were dropped before the next one written (a recorder says so in its log)
    idle()                   called a few times a second while nothing arrives (a recorder flushes its chunk)
    report() -> dict         JSON-able, for the summary, asked for once, after close(); what stands under `figures` in
                             it is also printed at the end of the run

A sink that needs no picture sets `wants_pictures = False`; its frames then carry a blank image of the same shape that
occupies no memory, so that a deep queue stays cheap.
"""

from __future__ import annotations

import enum
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from pipeline.types import FrameResult

log = logging.getLogger(__name__)

IDLE_S = 0.25
"""Seconds without a result after which `idle()` is called."""


class Sink(Protocol):
    """Where results go: a socket, a log, a video."""

    name: str
    """Short and unique in the run: `publish`, `record`, `overlay`."""

    def write(self, result: FrameResult) -> None:
        """Take one result. An exception disables the sink for the rest of the run."""

    def close(self) -> None:
        """Finish what was written, so that it can be opened. Called once, also after `write` failed."""


class QueuePolicy(enum.Enum):
    """What happens to a result when the sink's queue is full."""

    BLOCK = "block"
    """The estimator waits: nothing is lost. For finite sources."""
    DROP_OLDEST = "drop-oldest"
    """The oldest result in the queue goes: what is shown stays current."""
    DROP_NEWEST_LOUDLY = "drop-newest-loudly"
    """The new result goes; the sink and the log are told how many were lost."""


class SinkThread:
    """Runs one sink behind a queue of at most `capacity` results."""

    def __init__(
        self,
        sink: Sink,
        capacity: int,
        policy: QueuePolicy,
        *,
        stream: str | None = None,
    ) -> None:
        """`stream`: take the results of this stream only."""
        if capacity < 1:
            raise ValueError(f"capacity of sink {sink.name} is {capacity}, it must be at least 1")
        self.sink, self.policy, self.stream = sink, policy, stream
        self.written = 0
        self.dropped = 0
        self.write_s = 0.0
        """Seconds spent inside `sink.write`, in total."""
        self.error: Exception | None = None
        self.on_error: Callable[[str, Exception], None] | None = None
        """Called with the sink's name when it breaks, at most once."""
        self._capacity = capacity
        self._queue: deque[FrameResult] = deque()
        self._unreported_drops = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)
        self._thread.start()

    @property
    def dead(self) -> bool:
        """True where a thread of this sink ended without being asked to and without an error that was reported."""
        threads = (self._thread, *getattr(self.sink, "threads", ()))
        return self.error is None and not self._closing and not all(thread.is_alive() for thread in threads)

    @property
    def name(self) -> str:
        """Unique in the run, also where each stream has such a sink."""
        return self.sink.name if self.stream is None else f"{self.sink.name}:{self.stream}"

    def submit(self, result: FrameResult) -> None:
        """Hand over a result; returns at once unless the policy is BLOCK and the queue is full."""
        if self.stream is not None and result.frame.stream != self.stream:
            return
        if not getattr(self.sink, "wants_pictures", True):
            result = replace(result, frame=replace(result.frame, image=_blank(result.frame.image.shape)))
        with self._changed:
            if self.policy is QueuePolicy.BLOCK:
                self._changed.wait_for(lambda: len(self._queue) < self._capacity or self._refuses)
            if self._refuses:
                self.dropped += 1
                return
            if len(self._queue) >= self._capacity:
                self.dropped += 1
                if self.policy is QueuePolicy.DROP_NEWEST_LOUDLY:
                    self._unreported_drops += 1
                    return
                self._queue.popleft()
            self._queue.append(result)
            self._changed.notify_all()

    def close(self, timeout_s: float = 30.0) -> bool:
        """Write what is queued, close the sink, end the thread. False if that took longer than `timeout_s`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def _refuses(self) -> bool:
        return self._closing or self.error is not None or not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:
            self._fail(error)
        try:
            self.sink.close()
        except Exception as error:
            if self.error is None:  # a sink that broke while writing may well break while closing: report it once
                self._fail(error)

    def _step(self) -> bool:
        """Write one result, or note that there is none; False when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing, timeout=IDLE_S)
            result = self._queue.popleft() if self._queue else None
            lost, self._unreported_drops = self._unreported_drops, 0
            closing = self._closing
            self._changed.notify_all()
        if lost:
            log.warning("%s is too slow: %d results were lost", self.name, lost)
            if (note := getattr(self.sink, "note_drops", None)) is not None:
                note(lost)
        if result is None:
            if not closing and (idle := getattr(self.sink, "idle", None)) is not None:
                idle()
            return not closing
        started = time.perf_counter()
        try:
            self.sink.write(result)
        except Exception:
            self.dropped += 1
            raise
        self.write_s += time.perf_counter() - started
        self.written += 1
        return True

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self.error = error
            self.dropped += len(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        if self.on_error is not None:
            self.on_error(self.name, error)


def _blank(shape: tuple[int, ...]) -> np.ndarray:
    """A black picture of that shape in one byte of memory (all strides are zero)."""
    return np.broadcast_to(np.uint8(0), shape)
