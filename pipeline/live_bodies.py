"""Who is there right now, from the frames of a subscription: retirement, expiry and restarts of the publisher."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.client import Body, BodyFrame


@dataclass(slots=True)
class LiveBodies:
    """The bodies of one stream. A body that misses a frame stays as it was until it is retired or expires."""

    _bodies: dict[int, tuple[Body, float]] = field(default_factory=dict)

    def update(self, frame: BodyFrame, now_s: float) -> None:
        """Take in a frame that came at `now_s` (any monotonic clock)."""
        if frame.restarted:
            self._bodies.clear()
        for track_id in frame.retired:
            self._bodies.pop(track_id, None)
        self._bodies |= {body.track_id: (body, now_s + frame.expiry_s) for body in frame.bodies}

    def at(self, now_s: float) -> tuple[Body, ...]:
        """Who is there at `now_s`; the others are forgotten."""
        self._bodies = {i: (body, until) for i, (body, until) in self._bodies.items() if until > now_s}
        return tuple(body for body, _ in self._bodies.values())
