"""The threads of a run: one per source, two for the estimator, one per sink; and how they end.

    sources -> FrameInbox -> estimator thread (looks) -> bodies thread (lifts) -> SinkThreads

While the bodies of one frame are made, the next frame is looked at: never more than one ahead, so that what a look
knows of the past does not depend on how busy the processor is.

A run ends when all sources have ended, when `stop` is called, or when a thread fails. In every case the frames already
read are processed, the sinks write what they hold and close their files.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipeline.batcher import BatchPolicy
from pipeline.errors import BodystreamError, SourceError
from pipeline.inbox import FrameInbox
from pipeline.one_ahead import OneAhead
from pipeline.sinks.base import SinkThread
from pipeline.sources.base import Delivery, Source
from pipeline.sources.redact import redact
from pipeline.summary import Progress, RunStats
from pipeline.types import Frame, FrameResult

log = logging.getLogger(__name__)

STATUS_INTERVAL_S = 0.25
SOURCE_GRACE_S = 2.0
"""How long a source may take to notice that it was closed; its thread is abandoned then."""
DRAIN_S = 30.0
"""How long the estimator and each sink may take for what was already read."""


class FrameEstimator(Protocol):
    """What turns frames into bodies, in two halves that each run on one thread; keeps its own state per stream."""

    weights: dict[str, str]
    """File name of each network -> SHA-256 in hex, for the log."""

    def warm_up(self) -> None:
        """Do what the first frame would otherwise have to wait for."""

    def look(self, frames: list[Frame]) -> Any:
        """See who is in frames of different streams. The `lift` of the last frames may still run, none before that, and
        not even that one for pictures that stand alone. An exception ends the run."""

    def lift(self, looked: Any) -> list[FrameResult]:
        """The bodies of what `look` saw, one result per frame. An exception ends the run."""

    def catch_up(self, looked: Any) -> None:
        """Called on the thread of `lift` when its bodies are published, for what they need not wait for; what it finds
        is for looks after the next one."""

    def close(self) -> None:
        """Let go of engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run went."""

    summary: dict[str, Any]
    errors: tuple[str, ...]
    """One line each, in the order in which they happened."""
    exit_code: int


class Runner:
    """Runs opened sources through an estimator into sinks, once."""

    def __init__(
        self,
        sources: Sequence[Source],
        estimator: FrameEstimator,
        sinks: Sequence[SinkThread],
        *,
        max_frames: int | None = None,
        batching: BatchPolicy | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        on_error: Callable[[str], object] = log.error,
        status_interval_s: float = STATUS_INTERVAL_S,
    ) -> None:
        """`max_frames`: read so many frames of each source. `batching`: when streams wait for one another.
        `on_progress` is called in the thread that runs `run`, `on_error` in any, with one line of text.
        """
        if not sources:
            raise ValueError("there is no source, a run needs at least one")
        self.sources, self._estimator, self.sinks = list(sources), estimator, list(sinks)
        for sink in sinks:
            sink.on_error = self._sink_failed
        self._max_frames = max_frames
        self._on_progress, self._on_error = on_progress, on_error
        self._status_interval_s = status_interval_s
        self._inbox = FrameInbox({source.stream: source.delivery for source in sources}, batching)
        self.stats = RunStats()
        self._errors: list[str] = []
        self._exit_code = 0
        self._interrupted = False
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Stop reading and end the run in order. May be called from a signal handler and before `run`."""
        self._interrupted = True
        self._stop.set()

    def run(self) -> Outcome:
        """Run to the end; returns when all files are closed."""
        estimating = self._thread("estimator", self._estimate)
        reading = [self._thread(f"source {source.stream}", self._read, source) for source in self.sources]
        for thread in (estimating, *reading):
            thread.start()
        while estimating.is_alive() and not self._stop.is_set():
            estimating.join(self._status_interval_s)
            for sink in filter(lambda sink: sink.dead, self.sinks):
                self._fail(f"a thread of {sink.name} died")
                self._stop.set()
            if self._on_progress is not None:
                self._on_progress(self.stats.progress(self._drops()))
        for source in self.sources:
            source.close()
        self._inbox.close()
        deadline_s = time.monotonic() + SOURCE_GRACE_S
        for thread in reading:
            thread.join(max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                log.warning("%s does not end and is abandoned", thread.name)
        estimating.join(DRAIN_S)
        if estimating.is_alive():
            self._fail("the estimator is stuck in a frame; its thread is abandoned")
        return self._finish()

    def _sink_failed(self, name: str, error: Exception) -> None:
        """Note that a sink broke; the others go on, the exit code will tell."""
        self._fail(f"{name} stopped: {_reason(error)}")

    def _read(self, source: Source) -> None:
        try:
            count = 0
            while not self._stop.is_set() and (self._max_frames is None or count < self._max_frames):
                started_s = time.perf_counter()
                frame = source.read()
                read_ms = (time.perf_counter() - started_s) * 1e3
                if frame is None:
                    break
                count += 1
                self.stats.read(source.stream)
                self._inbox.put(frame, {} if source.paced else {"decode": read_ms})
            if source.skipped and source.delivery is Delivery.BLOCK:  # a camera may lose a packet
                self._fail(f"{source.stream}: {source.skipped} pictures could not be decoded and were left out")
        except SourceError as error:
            self._fail(str(error))
        except Exception as error:  # a bug in one source must not cost the other streams
            log.debug("source %s failed", source.stream, exc_info=True)
            self._fail(f"source {source.stream} failed: {_reason(error)}")
        finally:
            self._inbox.finish(source.stream)
            source.close()

    def _estimate(self) -> None:
        bodies = OneAhead("bodies")
        try:
            while items := self._inbox.take():
                now_ns = time.monotonic_ns()
                unknown = [frame for frame, _ in items if frame.bodies is None]
                if any(frame.unrelated for frame in unknown):
                    bodies.wait()
                looked = self._estimator.look(unknown) if unknown else None
                bodies.submit(functools.partial(self._publish, items, now_ns, looked))
            bodies.wait()
        finally:
            bodies.close(DRAIN_S)  # what was looked at before an error is published still

    def _publish(self, items: list[tuple[Frame, dict[str, float]]], taken_ns: int, looked: Any) -> None:
        """Make the bodies of frames that were taken from the inbox, and give them to the sinks."""
        try:
            estimated = iter(self._estimator.lift(looked) if looked is not None else ())
            for frame, spans_ms in items:
                result = next(estimated) if frame.bodies is None else FrameResult(frame=frame, bodies=frame.bodies)
                queue_ms = (taken_ns - frame.capture_ns) / 1e6
                result = replace(result, spans_ms={**spans_ms, "queue": queue_ms, **result.spans_ms})
                for sink in self.sinks:
                    sink.submit(result)
                self.stats.published(result)
            if looked is not None:
                self._estimator.catch_up(looked)
        except BaseException:
            self._inbox.close()  # a camera may be silent: no further frame would bring the error to light
            raise

    def _thread(self, name: str, work: Callable[..., None], *args: Any) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(name, work, *args), name=name, daemon=True)

    def _drops(self) -> dict[str, int]:
        """Where results are being lost -> how many so far."""
        return self.frames_dropped | {sink.name: sink.dropped for sink in self.sinks}

    @property
    def frames_dropped(self) -> dict[str, int]:
        """Stream -> frames that were read and then replaced by newer ones, so far."""
        return self._inbox.dropped

    def _guard(self, what: str, work: Callable[..., None], *args: Any) -> None:
        """Run a thread's work; an error that nobody foresaw ends the run and says why."""
        try:
            work(*args)
        except BaseException as error:
            log.debug("%s failed", what, exc_info=True)
            self._fail(f"{what} failed: {_reason(error)}")
            self._stop.set()

    def _finish(self) -> Outcome:
        for sink in self.sinks:
            if not sink.close(DRAIN_S):
                self._fail(f"{sink.name} does not finish and is abandoned; its file may be incomplete")
        self._estimator.close()
        read = self.stats.frames_read.total()
        exit_code = self._exit_code
        if not read and not exit_code and self._interrupted:
            exit_code = 4
        sinks = {sink.name: self._sink_summary(sink) for sink in self.sinks}
        # What was read but neither published nor dropped on the way died with the estimator.
        dropped = {
            source.stream: self.stats.frames_read[source.stream] - self.stats.frames_processed[source.stream]
            for source in self.sources
        }
        cameras = {
            source.stream: {
                "state": source.state.value,
                "reconnects": source.reconnects,
                "superseded": source.superseded,
                "skipped": source.skipped,
                **({"format": source.format} if source.format else {}),
            }
            for source in self.sources
        }
        extra = {
            "frames_skipped": sum(source.skipped for source in self.sources),
            "sinks": sinks,
            "errors": list(self._errors),
            "interrupted": self._interrupted,
        }
        summary = self.stats.as_dict(dropped=dropped, extra=extra)
        for stream, figures in cameras.items():
            summary["streams"][stream] |= figures
        summary["stage_ms"] |= {sink.name: sink.write_s / sink.written * 1e3 for sink in self.sinks if sink.written}
        return Outcome(summary=summary, errors=tuple(self._errors), exit_code=exit_code)

    def _sink_summary(self, sink: SinkThread) -> dict[str, Any]:
        report = getattr(sink.sink, "report", None)
        return {"written": sink.written, "dropped": sink.dropped, **(report() if report is not None else {})}

    def _fail(self, message: str) -> None:
        message = redact(message)
        with self._lock:
            self._errors.append(message)
            self._exit_code = 1
        self._on_error(message)


def _reason(error: BaseException) -> str:
    """One line: our own errors speak for themselves, others with their type."""
    return str(error) if isinstance(error, BodystreamError) else f"{type(error).__name__}: {error}"
