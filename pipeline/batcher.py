"""When to start an engine call for many cameras, and with whose frames.

Waiting for more streams makes calls larger and each frame cheaper; it also makes the first frame older. A stream that
has a frame ready never waits longer than the bound while the engines are idle. Streams are served in the order in which
they began to wait, also where newer frames have replaced the one they began with, so that none starves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """Raises ValueError for a negative bound or fewer than one frame per call."""

    bound_s: float = 0.0
    """Longest wait for other streams, from when a stream has a frame ready; 0: start with whatever is there."""
    most: int | None = None
    """Frames of one call; None: one of every stream."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.bound_s) and self.bound_s >= 0):
            raise ValueError(f"bound_s is {self.bound_s}, it must be 0 or more seconds")
        if self.most is not None and self.most < 1:
            raise ValueError(f"most is {self.most}, a call must take at least 1 frame")

    def next_call(self, since_s: Mapping[str, float], absent: int, now_s: float) -> tuple[tuple[str, ...], float]:
        """The streams whose frames the next call takes, and how long to wait before asking again (0 with streams).

        ``since_s``: stream that has a frame -> when it began to wait. ``absent``: streams that have none now and may
        still deliver. A frame that arrives in the meantime is a reason to ask again at once.
        """
        if not since_s:
            return (), math.inf
        order = sorted(since_s, key=lambda stream: since_s[stream])
        full = self.most is not None and len(order) >= self.most
        left_s = since_s[order[0]] + self.bound_s - now_s
        if absent and not full and left_s > 0:
            return (), left_s
        return tuple(order[: self.most]), 0.0
