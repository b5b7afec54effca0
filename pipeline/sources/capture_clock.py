"""When was a picture captured? From the stream's own timestamps where they can be believed, else from its arrival.

Three clocks meet here: the stream's (PTS, which may jump, wrap, be missing, or restart with the connection), the
sender's wall clock (RTCP sender reports; right only if the camera's clock is), and this machine's monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

MAX_STEP_S = 2.0
"""A timestamp that differs from what its arrival suggests by more is a jump."""
REORDER_S = 0.5
"""Pictures that go back by less are out of order; more is a jump."""
MAX_STAMP_AGE_S = 1.0
"""A capture time older than that on arrival, or in the future, comes from a clock that is not ours."""
WINDOW_S = 30.0
"""Over how long the quickest delivery is remembered: long against jitter, short against the drift of two clocks."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a picture was captured."""

    capture_ns: int
    """Monotonic clock of this machine; never later than the arrival, and grows from picture to picture."""
    media_s: float
    """The stream's time in seconds: grows from picture to picture, also across jumps, wraps and reconnects."""
    lag_s: float
    """How much longer than the quickest recent picture this one took to get here: what waits in buffers."""


class CaptureClock:
    """Fed with the timestamp and arrival of every picture of one stream, in order."""

    def __init__(self) -> None:
        self.jumps = 0
        """How often the stream's timestamps jumped, reconnects not counted."""
        self._media_s = 0.0
        self._arrival_s: float | None = None
        self._capture_ns = 0
        self._restart()

    def reconnected(self) -> None:
        """The stream's timestamps begin anew."""
        self._restart()

    def _restart(self) -> None:
        self._pts_s: float | None = None
        self._quickest: list[tuple[float, float]] = []
        """(start of window, least arrival - pts in it), seconds: this window and the one before."""

    def picture(self, pts_s: float | None, arrival_ns: int, stamp_ns: int | None = None) -> Moment:
        """The moment of the next picture.

        pts_s: its timestamp in the stream, None where it has none. stamp_ns: its capture time on our monotonic clock
        as the driver or the sender states it, where one does.
        """
        arrival_s = arrival_ns / 1e9
        step_s = self._step(pts_s, arrival_s)
        self._media_s += max(step_s, 1e-6)  # doubled timestamps must not stop the time of the stream
        self._arrival_s = arrival_s
        lag_s = 0.0
        if pts_s is not None:
            self._pts_s = max(pts_s, self._pts_s or pts_s)
            self._remember(arrival_s, arrival_s - pts_s)
            lag_s = self.lag_s(pts_s, arrival_ns)
        capture_ns = arrival_ns - round(lag_s * 1e9)
        if stamp_ns is not None and 0 <= arrival_ns - stamp_ns <= MAX_STAMP_AGE_S * 1e9:
            capture_ns = stamp_ns
        # Doubled timestamps, seen through two readings of the sender's clock, may differ by less than nothing.
        self._capture_ns = min(max(capture_ns, self._capture_ns + 1), arrival_ns)
        return Moment(self._capture_ns, self._media_s, lag_s)

    def lag_s(self, pts_s: float, arrival_ns: int) -> float:
        """How much longer than the quickest recent picture one with this timestamp takes, if it arrives now."""
        quickest_s = min((least for _, least in self._quickest), default=arrival_ns / 1e9 - pts_s)
        return max(0.0, arrival_ns / 1e9 - pts_s - quickest_s)

    def _step(self, pts_s: float | None, arrival_s: float) -> float:
        """Seconds of the stream since the last picture."""
        if self._arrival_s is None:
            return 0.0
        arrived_s = arrival_s - self._arrival_s
        if pts_s is None or self._pts_s is None:
            return arrived_s
        step_s = pts_s - self._pts_s
        # Pictures that waited in a buffer arrive all at once, so a step may exceed the pause before its arrival. After
        # a pause (the sender's, the network's) the two agree only roughly.
        if -REORDER_S < step_s <= arrived_s + MAX_STEP_S:
            return max(step_s, 0.0)
        self.jumps += 1
        self._restart()
        return arrived_s

    def _remember(self, now_s: float, offset_s: float) -> None:
        if not self._quickest or now_s - self._quickest[-1][0] > WINDOW_S:
            self._quickest = [*self._quickest[-1:], (now_s, offset_s)]
        start_s, least_s = self._quickest[-1]
        self._quickest[-1] = (start_s, min(least_s, offset_s))


def monotonic_of_wall(wall_us: int) -> int:
    """A time on the wall clock (microseconds since 1970) on the monotonic clock (ns), by what both say now."""
    return time.monotonic_ns() - (time.time_ns() - wall_us * 1000)
