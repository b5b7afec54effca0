"""How many cameras one machine serves: several numbers of them at once, and what each one more costs.

The video is played as a camera would deliver it (30 frames per second), through the whole program: decode, batcher,
networks, smoothing, wire. Latency runs from the moment a frame is ready to the moment its message has been handed to
the network. A video waits where a camera would lose pictures, so that every frame is processed and paid for also when
more streams are played than the machine keeps up with: the cost is the processor time of all threads, and says the
same on a machine with more or fewer cores.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
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
    """Context in which every published result is counted: its latency from frame ready to message sent, and what the
    process spent between the first and the last."""

    def __init__(self) -> None:
        self.latency = LatencyHistogram()
        self._first_cpu_s = self._last_cpu_s = math.nan

    @property
    def cpu_ms_per_frame(self) -> float:
        """Processor time of the whole process per result after the first; NaN where there is only one."""
        more = self.latency.count - 1
        return (self._last_cpu_s - self._first_cpu_s) * 1e3 / more if more > 0 else math.nan

    def __enter__(self) -> Self:
        from pipeline.sinks.publisher import Publisher

        self._owner, original = Publisher, Publisher.write
        self._original = original

        @functools.wraps(original)
        def write(publisher: Any, result: Any) -> None:
            original(publisher, result)
            # One sink thread calls this.
            self._last_cpu_s = time.process_time()
            if not self.latency.count:
                self._first_cpu_s = self._last_cpu_s
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
    cpu_ms_per_frame: float
    """Processor time of the whole program, decoding included, per frame of any stream."""
    stage_ms: dict[str, float]
    """Per call for the networks' stages, per frame for the others."""

    @property
    def sustained(self) -> bool:
        """Did every stream get all its frames through?"""
        return self.fps >= SUSTAINED_SHARE * self.target_fps

    @property
    def cpu_ms(self) -> float:
        """Processor time for one frame of every stream."""
        return self.cpu_ms_per_frame * self.streams

    def cost_beside(self, fewer: StreamsRun | None) -> float:
        """Milliseconds of processor time that a frame of each stream costs which ``fewer`` did not have."""
        return (self.cpu_ms - fewer.cpu_ms) / (self.streams - fewer.streams) if fewer else self.cpu_ms / self.streams


def measure_streams(source: str, streams: int, flags: Sequence[str], *, fps: float = 30.0) -> StreamsRun:
    """Plays ``streams`` copies of a video of ``fps`` in real time. RuntimeError if the program fails."""
    from pipeline.cli import main as run
    from pipeline.estimator import Estimator

    with tempfile.TemporaryDirectory(prefix="bodystream-bench-") as folder:
        path = Path(folder) / "summary.json"
        argv = [word for _ in range(streams) for word in ("--source", source)]
        argv += ["--realtime", "--publish", "tcp://127.0.0.1:*", "--quiet", "--summary", str(path), *flags]
        with SendTimes() as sent, Stopwatch(Estimator, "look") as estimator:
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
        cpu_ms_per_frame=sent.cpu_ms_per_frame,
        stage_ms=summary["stage_ms"],
    )


def stream_counts(text: str) -> list[int]:
    """`4` -> 1, 2, 3, 4; `1,2,8` -> these. Raises argparse's error for what is no rising list of positive numbers."""
    counts = [int(word) for word in text.split(",") if word.isdecimal()]
    rises = all(one < other for one, other in itertools.pairwise([0, *counts]))
    if not rises or len(counts) != text.count(",") + 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of streams nor a rising list such as 1,2,4,8")
    return counts if "," in text else list(range(1, counts[0] + 1))


def curve(runs: Sequence[StreamsRun]) -> str:
    """The table: how fast, how late, and what each more stream costs beside the first row's; what it comes to."""
    lines = [
        "         slowest stream   ready to sent     frames    busy   processor time, ms per frame",
        "streams  frames/s  kept    p50      p99   per call  thread   of any   of one more   ratio",
    ]
    first = runs[0].cost_beside(None)
    for fewer, run in zip([None, *runs], runs, strict=False):
        cost = run.cost_beside(fewer)
        lines.append(
            f"{run.streams:7d} {run.fps:9.1f} {'yes' if run.sustained else 'NO':>5} {run.ready_to_sent_p50_ms:6.0f} "
            f"{run.ready_to_sent_p99_ms:8.0f} ms {run.frames_per_call:7.1f} {run.busy:7.0%} "
            f"{run.cpu_ms_per_frame:8.1f} {cost:13.1f} {cost / first:7.2f}"
        )
    stages = ", ".join(f"{name} {mean:.2f}" for name, mean in runs[-1].stage_ms.items())
    lines.append(f"stages with {runs[-1].streams} streams, mean ms (networks: per call): {stages}")
    most = max((run.streams for run in runs if run.sustained), default=0)
    more = " or more" if most == max(run.streams for run in runs) else ""
    lines.append(f"kept up with at {runs[0].target_fps:g} frames per second: {most} streams{more}")
    return "\n".join(lines)
