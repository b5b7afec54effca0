"""What a soak run measures: a row per stream and ten seconds, and what all rows together say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

from pipeline.chaos.target import Footprint
from pipeline.summary import LatencyHistogram

WINDOW_S = 10.0
WARM_UP_S = 30.0
"""The first seconds count for the age, but memory, descriptors and threads are compared from here on."""
MEMORY_SLACK_MB = 10.0
"""What the allocator may take without being called a leak: two hundredths of the whole."""
DESCRIPTOR_SLACK, THREAD_SLACK = 2, 2
DRIFT_MS = 10.0
"""How far the median age of the last quarter may lie above that of the first."""
FAIR = 0.10
"""By how much of the best share of published pictures another stream's may lie below it. Stricter than a difference of
10 points between the shares that are lost: of two streams that lose 90 and 95 %, one gets twice as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stream in one window."""

    time_s: float
    """End of the window, from the start of the measurement."""
    stream: str
    frames: int
    """Published frames that a subscriber got."""
    dropped: int
    """Pictures of the camera that were not published."""
    bodies: int
    age_p50_ms: float
    """From capture to publication."""
    age_p99_ms: float
    age_max_ms: float
    memory_mb: float
    """Of the whole program, like the next four."""
    threads: int
    descriptors: int
    cpu: float
    """Processors in use, 0..cores."""
    load: float
    """Load average of the machine, the last minute."""

    @property
    def dropped_percent(self) -> float:
        return 100 * self.dropped / max(self.dropped + self.frames, 1)

    @classmethod
    def names(cls) -> list[str]:
        return [one.name for one in fields(cls)]


@dataclass(slots=True)
class Window:
    """Counts one stream until `row`, then starts again."""

    stream: str
    frames: int = 0
    dropped: int = 0
    bodies: int = 0
    last_index: int | None = None
    ages_ms: list[float] = field(default_factory=list)
    all_ages: LatencyHistogram = field(default_factory=LatencyHistogram)
    """Since the start of the measurement."""

    def add(self, index: int, age_ms: float, bodies: int, lost: int) -> None:
        """A frame came: the number of its picture, its age when it was published, and how many messages before it the
        subscriber lost (they were published: no drops)."""
        if self.last_index is not None and index > self.last_index:
            self.dropped += max(0, index - self.last_index - 1 - lost)
        self.last_index = index
        self.frames += 1
        self.bodies += bodies
        self.ages_ms.append(age_ms)
        self.all_ages.add(age_ms)

    def row(self, time_s: float, footprint: Footprint, cpu: float, load: float) -> Row:
        ages = sorted(self.ages_ms)
        row = Row(
            time_s=round(time_s, 1), stream=self.stream, frames=self.frames, dropped=self.dropped, bodies=self.bodies,
            age_p50_ms=_quantile(ages, 0.5), age_p99_ms=_quantile(ages, 0.99), age_max_ms=_quantile(ages, 1.0),
            memory_mb=round(footprint.memory_mb, 1), threads=footprint.threads, descriptors=footprint.descriptors,
            cpu=round(cpu, 2), load=load,
        )  # fmt: skip
        self.frames = self.dropped = self.bodies = 0
        self.ages_ms.clear()
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a run came to."""

    minutes: float
    age_p50_ms: dict[str, float]
    """Per stream, over the whole run."""
    age_p99_ms: dict[str, float]
    age_limit_ms: float
    drift_ms: float
    """Median age of the last quarter minus that of the first; of the worst stream."""
    memory_growth_mb: float
    """Between the same quarters."""
    descriptor_growth: int
    thread_growth: int
    dropped: dict[str, float]
    """Share of the pictures of each camera, 0..1."""
    silent_s: dict[str, float]
    """Per stream: windows without any frame."""
    bodies_per_frame: float

    @property
    def failures(self) -> list[str]:
        """What is not as it should be, in words."""
        found = [
            f"age p99 of {stream} is {age:.0f} ms, above {self.age_limit_ms:g}"
            for stream, age in self.age_p99_ms.items()
            if not age <= self.age_limit_ms
        ]
        found += [f"{stream} published nothing for {time:.0f} s" for stream, time in self.silent_s.items() if time]
        if not self.drift_ms <= DRIFT_MS:
            found.append(f"the median age grew by {self.drift_ms:.0f} ms")
        if self.memory_growth_mb > MEMORY_SLACK_MB:
            found.append(f"memory grew by {self.memory_growth_mb:.0f} MB")
        if self.descriptor_growth > DESCRIPTOR_SLACK:
            found.append(f"{self.descriptor_growth} descriptors more")
        if self.thread_growth > THREAD_SLACK:
            found.append(f"{self.thread_growth} threads more")
        if 1 - max(self.dropped.values()) < (1 - FAIR) * (1 - min(self.dropped.values())):
            found.append("drops are unfair")
        return found

    def line(self) -> str:
        """`60.0 min, 1 stream: age p50 21 p99 64 ms (limit 80), ...: PASSED`"""
        ages = ", ".join(f"p50 {self.age_p50_ms[s]:.0f} p99 {self.age_p99_ms[s]:.0f} ms" for s in self.age_p99_ms)
        drops = ", ".join(f"{100 * share:.1f} %" for share in self.dropped.values())
        streams = f"{len(self.dropped)} stream{'s' if len(self.dropped) > 1 else ''}"
        outcome = f"FAILED: {'; '.join(self.failures)}" if self.failures else "PASSED"
        return (
            f"{self.minutes:.1f} min, {streams}: age {ages} (limit {self.age_limit_ms:g}), "
            f"{self.bodies_per_frame:.2f} bodies a frame, memory {self.memory_growth_mb:+.0f} MB, "
            f"descriptors {self.descriptor_growth:+d}, threads {self.thread_growth:+d}, dropped {drops}: {outcome}"
        )


def judge(rows: Sequence[Row], windows: Sequence[Window], age_limit_ms: float) -> Verdict:
    """Of the rows of a run and its windows, one per stream. Raises ValueError without any frame."""
    if not any(row.frames for row in rows):
        raise ValueError("not one frame was published, there is nothing to judge")
    settled = [row for row in rows if row.time_s >= WARM_UP_S] or list(rows)
    begin_s, end_s = settled[0].time_s, settled[-1].time_s
    quarter_s = (end_s - begin_s) / 4
    first = [row for row in settled if row.time_s <= begin_s + quarter_s]
    last = [row for row in settled if row.time_s >= end_s - quarter_s]
    streams = [window.stream for window in windows]

    def of(part: Sequence[Row], stream: str, name: str) -> float:
        values = sorted(getattr(row, name) for row in part if row.stream == stream and row.frames)
        return _quantile(values, 0.5)

    def dropped(stream: str) -> float:
        own = [row for row in rows if row.stream == stream]
        lost, got = sum(row.dropped for row in own), sum(row.frames for row in own)
        return lost / max(lost + got, 1)

    def silent_s(stream: str) -> float:
        own = [row for row in rows if row.stream == stream]
        spans_s = [row.time_s - before for row, before in zip(own, [0.0, *(row.time_s for row in own)], strict=False)]
        # The last window may be too short for a frame.
        return sum(span for row, span in zip(own, spans_s, strict=True) if not row.frames and span >= WINDOW_S / 2)

    drifts_ms = [of(last, stream, "age_p50_ms") - of(first, stream, "age_p50_ms") for stream in streams]
    return Verdict(
        minutes=rows[-1].time_s / 60,
        age_p50_ms={window.stream: window.all_ages.quantile(0.5) or math.nan for window in windows},
        age_p99_ms={window.stream: window.all_ages.quantile(0.99) or math.nan for window in windows},
        age_limit_ms=age_limit_ms,
        drift_ms=max((drift for drift in drifts_ms if math.isfinite(drift)), default=math.nan),
        memory_growth_mb=_mean(row.memory_mb for row in last) - _mean(row.memory_mb for row in first),
        descriptor_growth=max(row.descriptors for row in last) - max(row.descriptors for row in first),
        thread_growth=max(row.threads for row in last) - max(row.threads for row in first),
        dropped={stream: dropped(stream) for stream in streams},
        silent_s={stream: silent_s(stream) for stream in streams},
        bodies_per_frame=sum(row.bodies for row in rows) / sum(row.frames for row in rows),
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, math.floor(share * len(ordered)))], 2) if ordered else math.nan


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
