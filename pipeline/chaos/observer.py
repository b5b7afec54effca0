"""A healthy subscriber: what it saw has to be in the log, and when it saw it tells how soon a stream is back."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.chaos.camera import picture_age_s
from pipeline.client import BodyFrame, Subscription, SubscriptionStats


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame that arrived."""

    stream: str
    capture_ns: int
    arrived_s: float
    """Monotonic."""
    picture_age_s: float
    """Since it was painted, by the bar in the picture; since it was captured where the bar cannot be read."""
    people: int


class Observer:
    """Receives in a thread until `close`."""

    def __init__(self, address: str, keys: Path, *, reads_bar: bool) -> None:
        """reads_bar: the place of the first body tells the age of the picture (`pipeline.chaos.bright`)."""
        self._subscription = Subscription(address, keys=keys)
        self._reads_bar = reads_bar
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> SubscriptionStats:
        return self._subscription.stats

    def seen(self, since_s: float = 0.0) -> list[Seen]:
        """What arrived after that moment and was not forgotten."""
        with self._lock:
            return [seen for seen in self._seen if seen.arrived_s > since_s]

    def forget(self, until_s: float) -> None:
        """Let go of what arrived up to that moment."""
        with self._lock:
            self._seen = [seen for seen in self._seen if seen.arrived_s > until_s]

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._subscription.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            frame = self._subscription.next_frame(0.1)
            if frame is not None:
                seen = self._note(frame)
                with self._lock:
                    self._seen.append(seen)

    def _note(self, frame: BodyFrame) -> Seen:
        now_s = time.monotonic()
        age_s = now_s - frame.capture_ns / 1e9
        if self._reads_bar and frame.bodies:
            x, _, z = frame.bodies[0].translation
            centre_px = float(x / z * frame.intrinsics.fx + frame.intrinsics.cx)
            age_s = picture_age_s(centre_px, frame.image_size[0], now_s)
        return Seen(frame.stream, frame.capture_ns, now_s, age_s, len(frame.bodies))
