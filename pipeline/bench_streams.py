"""How many cameras one machine serves: 1 to N of them at once, each at its own pace, and what the Nth one costs.

The video is played as a camera would deliver it (30 frames per second), through the whole program: decode, batcher,
networks, smoothing, wire. Latency runs from the moment a frame is ready to the moment its message has been handed to
the network.
"""

from __future__ import annotations

import functools
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.stopwatch import Stopwatch
from pipeline.summary import LatencyHistogram

SUSTAINED_SHARE = 0.97
"""Of the video's frame rate that the slowest stream must reach; a run of seconds loses a frame at either end."""


class SendTimes:
    """Context in which the latency of every published result is counted: frame ready to message sent."""

    def __init__(self) -> None:
        self.latency = LatencyHistogram()

    def __enter__(self) -> Self:
        from pipeline.sinks.publisher import Publisher

        self._owner, original = Publisher, Publisher.write
        self._original = original

        @functools.wraps(original)
        def write(publisher: Any, result: Any) -> None:
            original(publisher, result)
            # One sink thread calls this.
            self.latency.add((time.monotonic_ns() - result.frame.capture_ns) / 1e6)

        Publisher.write = write  # type: ignore[method-assign, assignment]
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._owner.write = self._original  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsRun:
    """One point of the curve."""

    streams: int
    fps: float
    """Of the slowest stream."""
    target_fps: float
    people_per_s: float
    ready_to_sent_p50_ms: float
    ready_to_sent_p99_ms: float
    busy: float
    """Share of the time in which the estimator's thread works; 1: no more fits, whatever waits."""
    frames_per_call: float
    """How many streams share one call of the networks, on average."""
    stage_ms: dict[str, float]
    """Per call for the networks' stages, per frame for the others."""

    @property
    def sustained(self) -> bool:
        """Did every stream get all its frames through?"""
        return self.fps >= SUSTAINED_SHARE * self.target_fps


def measure_streams(source: str, streams: int, flags: Sequence[str], *, fps: float = 30.0) -> StreamsRun:
    """Plays ``streams`` copies of a video of ``fps`` in real time. RuntimeError if the program fails."""
    from pipeline.cli import main as run
    from pipeline.estimator import Estimator

    with tempfile.TemporaryDirectory(prefix="bodystream-bench-") as folder:
        path = Path(folder) / "summary.json"
        argv = [word for _ in range(streams) for word in ("--source", source)]
        argv += ["--realtime", "--publish", "tcp://127.0.0.1:*", "--quiet", "--summary", str(path), *flags]
        with SendTimes() as sent, Stopwatch(Estimator, "process_together") as estimator:
            code = run(["run", *argv])
        if code:
            raise RuntimeError(f"the run ended with exit code {code}: bodystream run {' '.join(argv)}")
        summary = json.loads(path.read_text())
    processed = [stream["frames_processed"] for stream in summary["streams"].values()]
    return StreamsRun(
        streams=streams,
        fps=min(processed) / summary["wall_s"],
        target_fps=fps,
        people_per_s=summary["bodies"] / summary["wall_s"],
        ready_to_sent_p50_ms=sent.latency.quantile(0.5) or 0.0,
        ready_to_sent_p99_ms=sent.latency.quantile(0.99) or 0.0,
        busy=sum(estimator.total_ms.values()) / 1e3 / summary["wall_s"],
        frames_per_call=summary["frames_processed"] / max(sum(estimator.calls.values()), 1),
        stage_ms=summary["stage_ms"],
    )


def curve(runs: Sequence[StreamsRun]) -> str:
    """The table, and how many streams are sustained."""
    lines = [
        "streams  fps of the slowest  people/s  ready to sent p50      p99   frames/call  busy  cost of this stream"
    ]
    before = 0.0
    for run in runs:
        lines.append(
            f"{run.streams:7d} {run.fps:11.1f} {'yes' if run.sustained else 'NO':>7} {run.people_per_s:9.1f} "
            f"{run.ready_to_sent_p50_ms:15.1f} ms {run.ready_to_sent_p99_ms:7.1f} ms {run.frames_per_call:10.1f} "
            f"{run.busy:8.0%} {run.busy - before:+10.0%}"
        )
        before = run.busy
    stages = ", ".join(f"{name} {mean:.2f}" for name, mean in runs[-1].stage_ms.items())
    lines.append(f"stages with {runs[-1].streams} streams, mean ms (networks: per call): {stages}")
    most = max((run.streams for run in runs if run.sustained), default=0)
    more = " or more" if most == max(run.streams for run in runs) else ""
    lines.append(f"sustained at {runs[0].target_fps:g} frames per second: {most} streams{more}")
    return "\n".join(lines)
