"""The figures of a run, counted while it runs in bounded memory, and written at its end."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import OutputError
from pipeline.types import FrameResult

_GROWTH = 1.01
_FLOOR_MS = 0.01
RECENT_FRAMES = 120
FPS_WINDOW_S = 2.0


class LatencyHistogram:
    """Quantiles of durations to within 1 %, in bounded memory: buckets grow by 1 % each."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total_ms = 0.0

    def add(self, value_ms: float) -> None:
        self._buckets[round(math.log(max(value_ms, _FLOOR_MS) / _FLOOR_MS, _GROWTH))] += 1
        self.count += 1
        self.total_ms += value_ms

    def copy(self) -> LatencyHistogram:
        other = LatencyHistogram()
        other._buckets, other.count, other.total_ms = self._buckets.copy(), self.count, self.total_ms
        return other

    def cumulative(self, bounds_ms: Sequence[float]) -> list[int]:
        """How many durations do not exceed each bound, to within 1 % of the bound."""
        values = [(_FLOOR_MS * _GROWTH**bucket, count) for bucket, count in self._buckets.items()]
        return [sum(count for value, count in values if value <= bound) for bound in bounds_ms]

    def quantile(self, q: float) -> float | None:
        """The smallest duration (ms) that a share `q` of all does not exceed; None if there are none."""
        if not self.count:
            return None
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= q * self.count:
                break
        return _FLOOR_MS * _GROWTH**bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A look at a running pipeline."""

    frames: int
    bodies_now: int
    fps: float
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    dropped: Mapping[str, int]
    """Stream or sink -> how many frames or results were lost there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The counters of a run at one moment; each maps a stream (or a stage) to its figure."""

    frames_read: Mapping[str, int]
    frames_processed: Mapping[str, int]
    people: Mapping[str, int]
    fps: Mapping[str, float]
    latency: Mapping[str, LatencyHistogram]
    stages: Mapping[str, LatencyHistogram]


@dataclass(slots=True)
class RunStats:
    """Counters shared by the threads of a run; every method may be called from any of them."""

    frames_read: Counter[str] = field(default_factory=Counter)
    """Per stream."""
    frames_processed: Counter[str] = field(default_factory=Counter)
    bodies: int = 0
    """Bodies in all processed frames together."""
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    """Capture to publication: from the frame's capture time until its result was handed to the sinks."""
    _people: dict[str, int] = field(default_factory=dict)
    _latency_of: dict[str, LatencyHistogram] = field(default_factory=dict)
    _stages: dict[str, LatencyHistogram] = field(default_factory=dict)
    _published_s: dict[str, deque[float]] = field(default_factory=dict)
    _recent: deque[tuple[float, float, int]] = field(default_factory=lambda: deque(maxlen=RECENT_FRAMES))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _first_s: float | None = None
    _last_s: float = 0.0

    def read(self, stream: str) -> None:
        with self._lock:
            self.frames_read[stream] += 1
            if self._first_s is None:
                self._first_s = time.monotonic()

    def published(self, result: FrameResult) -> None:
        now_s = time.monotonic()
        latency_ms = now_s * 1e3 - result.frame.capture_ns / 1e6
        with self._lock:
            self.frames_processed[result.frame.stream] += 1
            self.bodies += len(result.bodies)
            self.latency.add(latency_ms)
            self._recent.append((now_s, latency_ms, len(result.bodies)))
            self._last_s = now_s
            stream = result.frame.stream
            self._people[stream] = len(result.bodies)
            self._latency_of.setdefault(stream, LatencyHistogram()).add(latency_ms)
            self._published_s.setdefault(stream, deque(maxlen=RECENT_FRAMES)).append(now_s)
            for stage, span_ms in result.spans_ms.items():
                self._stages.setdefault(stage, LatencyHistogram()).add(span_ms)

    def stage_ms(self) -> dict[str, float]:
        """Mean milliseconds per stage, over the frames that went through it."""
        with self._lock:
            return {stage: spans.total_ms / spans.count for stage, spans in self._stages.items()}

    def snapshot(self) -> Snapshot:
        """All counters, for the metrics; `fps` is that of the last seconds and falls to 0 when nothing comes."""
        now_s = time.monotonic()
        with self._lock:
            recent = {
                stream: [then for then in times if then > now_s - FPS_WINDOW_S]
                for stream, times in self._published_s.items()
            }
            return Snapshot(
                frames_read=dict(self.frames_read),
                frames_processed=dict(self.frames_processed),
                people=dict(self._people),
                fps={stream: len(times) / FPS_WINDOW_S for stream, times in recent.items()},
                latency={stream: spans.copy() for stream, spans in self._latency_of.items()},
                stages={stage: spans.copy() for stage, spans in self._stages.items()},
            )

    def progress(self, dropped: Mapping[str, int]) -> Progress:
        with self._lock:
            recent = list(self._recent)
            frames = self.frames_processed.total()
        latencies = sorted(latency for _, latency, _ in recent)
        span_s = recent[-1][0] - recent[0][0] if recent else 0.0
        return Progress(
            frames=frames,
            bodies_now=recent[-1][2] if recent else 0,
            fps=(len(recent) - 1) / span_s if span_s > 0 else 0.0,
            latency_p50_ms=latencies[len(latencies) // 2] if latencies else None,
            latency_p99_ms=latencies[min(len(latencies) - 1, int(0.99 * len(latencies)))] if latencies else None,
            dropped=dropped,
        )

    def as_dict(self, *, dropped: Mapping[str, int], extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The summary. `fps` counts from the first frame read to the last result, loading not included."""
        with self._lock:
            wall_s = max(0.0, self._last_s - self._first_s) if self._first_s is not None else 0.0
            processed = self.frames_processed.total()
            quantiles = {"p50": self.latency.quantile(0.5), "p99": self.latency.quantile(0.99)}
            streams = {
                stream: {
                    "frames_read": self.frames_read[stream],
                    "frames_processed": self.frames_processed[stream],
                    "frames_dropped": dropped[stream],
                }
                for stream in dropped
            }
        return {
            "frames_read": self.frames_read.total(),
            "frames_processed": processed,
            "frames_dropped": sum(dropped.values()),
            "bodies": self.bodies,
            "wall_s": wall_s,
            "fps": processed / wall_s if wall_s > 0 else 0.0,
            "latency_ms": quantiles,
            "stage_ms": self.stage_ms(),
            "streams": streams,
            **(extra or {}),
        }


def write_summary(path: str | Path, summary: Mapping[str, Any]) -> None:
    """Write JSON atomically: the file is whole or not there; NaN becomes null. Raises OutputError."""
    data = msgspec.json.format(msgspec.json.encode(summary, enc_hook=_plain)) + b"\n"
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, target)
    except OSError as error:
        raise OutputError(f"summary {target} cannot be written ({error.strerror}); choose another path") from error


def _plain(value: Any) -> Any:
    """numpy scalars and arrays, paths -> what JSON knows."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
