"""The page of what is published now."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from pipeline.client import Body, BodyFrame, BodyModelMismatchError, Subscription
from pipeline.live_bodies import LiveBodies
from pipeline.viewer.scene import BodyScene, Person
from pipeline.viewer.window import BodyWindow

READOUT_PERIOD_S = 0.25
POLL_S = 0.1
WINDOW_S = 2.0
"""Over which frames per second are counted."""


@dataclass(slots=True)
class _StreamView:
    frame: BodyFrame
    live: LiveBodies = field(default_factory=LiveBodies)
    arrivals: deque[float] = field(default_factory=deque)
    lost: int = 0


class LiveViewer:
    """Feeds a scene from a subscription (with `latest`, so that a slow browser never builds up delay)."""

    def __init__(self, scene: BodyScene | BodyWindow, subscription: Subscription) -> None:
        self._scene, self._subscription = scene, subscription
        self._streams: dict[str, _StreamView] = {}
        self._readout = scene.gui.add_markdown("waiting for a publisher ...")
        self._readout_at = 0.0
        self._problem = ""

    def run(self) -> None:
        """Until the subscription or the window is closed."""
        while self._scene.refresh():
            try:
                frame = self._subscription.next_frame(POLL_S)
            except StopIteration:
                return
            self.step(frame, time.monotonic())

    def show_most_people(self) -> None:
        """Wait until somebody is there. Raises StreamTimeoutError, if the subscription has a limit."""
        while not any(self._scene.shown(name) for name in self._streams):
            self.step(next(self._subscription), time.monotonic())

    def step(self, frame: BodyFrame | None, now_s: float) -> None:
        """Show a frame, or the passing of time."""
        if frame is not None:
            view = self._streams.setdefault(frame.stream, _StreamView(frame))
            view.frame = frame
            view.lost += frame.lost
            view.arrivals.append(now_s)
            view.live.update(frame, now_s)
            self._show(view, now_s)
        if now_s >= self._readout_at:
            self._readout_at = now_s + READOUT_PERIOD_S
            for view in self._streams.values():
                if view.frame is not frame:
                    self._show(view, now_s)  # expiry needs no frame
            self._readout.content = self._text(now_s)

    def _show(self, view: _StreamView, now_s: float) -> None:
        people = [person for body in view.live.at(now_s) if (person := self._person(body)) is not None]
        self._scene.show(view.frame.stream, people, view.frame.intrinsics, view.frame.image_size)

    def _person(self, body: Body) -> Person | None:
        try:
            vertices = body.vertices(self._scene.level, self._scene.body)
        except BodyModelMismatchError as error:
            self._problem = f"{error} (`bodystream view --body PATH`)"
            return None
        return Person(track_id=body.track_id, vertices=vertices)

    def _text(self, now_s: float) -> str:
        states = self._subscription.source_states
        if not states:
            return "waiting for a publisher ..."
        lines = [f"**{self._problem}**"] if self._problem else []
        for name, view in self._streams.items():
            while view.arrivals and view.arrivals[0] < now_s - WINDOW_S:
                view.arrivals.popleft()
            frame = view.frame
            silent = not view.arrivals
            lines += [
                f"**{name}** {'no frames' if silent else f'{len(view.arrivals) / WINDOW_S:.0f} fps'}, "
                f"{len(view.live.at(now_s))} people",
                f"latency {frame.latency_s * 1000:.0f} ms (to the wire {frame.publish_delay_s * 1000:.0f} ms)",
                f"source {states[name].name.lower()}, frame {frame.index}, lost {view.lost}",
            ]
        silent_ones = states.keys() - self._streams.keys()
        lines += [f"**{name}** no frames, source {states[name].name.lower()}" for name in sorted(silent_ones)]
        return "\n\n".join(lines)
