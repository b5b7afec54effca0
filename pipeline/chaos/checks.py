"""What must hold after every fault: the streams are back and current, the log has everything, nothing has leaked."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from pipeline.chaos.observer import Seen
from pipeline.chaos.target import Footprint
from pipeline.errors import BodystreamError
from pipeline.log import iter_frames

CURRENT_S = 1.0
"""A stream whose newest picture is older than this is not back, it is behind."""
LOG_DELAY_S = 1.0
"""What a log may lag behind: it is flushed at least once a second."""
THREAD_SLACK, DESCRIPTOR_SLACK = 2, 4
"""A connection that is just being made or unmade; a leak of one per fault exceeds this after a few."""
MEMORY_SLACK_MB = 96.0
"""Decoders of other picture sizes and what the allocator keeps."""


def back_after_s(seen: Iterable[Seen], streams: Collection[str], since_s: float, current_s: float) -> dict[str, float]:
    """Seconds from `since_s` (monotonic) until each stream showed a picture captured after it and not older than
    `current_s`; infinity for one that did not."""
    found = dict.fromkeys(streams, math.inf)
    for one in seen:
        if one.capture_ns / 1e9 > since_s and one.picture_age_s <= current_s and math.isinf(found[one.stream]):
            found[one.stream] = one.arrived_s - since_s
    return found


def longest_gap_s(seen: Iterable[Seen], stream: str, from_s: float, until_s: float) -> float:
    """The longest time in that span during which nothing arrived of a stream."""
    moments = [
        from_s,
        *sorted(s.arrived_s for s in seen if s.stream == stream and from_s < s.arrived_s < until_s),
        until_s,
    ]
    return max(after - before for before, after in itertools.pairwise(moments))


class LogFolder:
    """The frames in all logs of a folder; a file that has not changed is not read again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[int, tuple[int, set[tuple[str, int]]]] = {}
        """inode -> (size, frames)"""

    def frames(self) -> set[tuple[str, int]]:
        """(stream, capture time in ns) of every frame that can be read now."""
        before, self._known = self._known, {}
        for path in self._folder.glob("*.mcap"):
            status = path.stat()
            known = before.get(status.st_ino)
            if known is None or known[0] != status.st_size:
                known = status.st_size, {(frame.stream, frame.timestamp_ns) for frame in iter_frames(path)}
            self._known[status.st_ino] = known
        return set().union(*(found for _, found in self._known.values()))

    def missing(self, seen: Iterable[Seen], excused: Collection[tuple[float, float]] = ()) -> list[Seen]:
        """What was seen and is not in a log. excused: spans of capture time, seconds, in which that is allowed."""
        frames = self.frames()
        return [
            one
            for one in seen
            if (one.stream, one.capture_ns) not in frames
            and not any(start <= one.capture_ns / 1e9 <= end for start, end in excused)
        ]


def leaks(before: Footprint, now: Footprint) -> list[str]:
    """What a process holds more of than it may, in words."""
    found = []
    if now.threads > before.threads + THREAD_SLACK:
        found.append(f"{now.threads} threads, {before.threads} before")
    if now.descriptors > before.descriptors + DESCRIPTOR_SLACK:
        found.append(f"{now.descriptors} descriptors, {before.descriptors} before")
    if now.memory_mb > before.memory_mb + MEMORY_SLACK_MB:
        found.append(f"{now.memory_mb:.0f} MB, {before.memory_mb:.0f} MB before")
    return found


def eventually(problems: Callable[[], list[str]], within_s: float) -> list[str]:
    """What `problems` still says when the time is up; empty as soon as it says nothing."""
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            found = problems()
        except BodystreamError as error:
            return [str(error)]
        if not found or time.monotonic() >= deadline_s:
            return found
        time.sleep(0.05)
