"""The page of a recorded pose log: scrubber, play and pause, speed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.log import LogError, read_log, result_of
from pipeline.viewer.scene import BodyScene, Person
from pipeline.viewer.window import BodyWindow

TICK_S = 1 / 60
SPEEDS = ("0.25x", "0.5x", "1x", "2x", "4x")


class LogPlayer:
    """Shows one stream of a log; the page's controls decide which frame."""

    def __init__(self, scene: BodyScene | BodyWindow, path: Path, stream: str | None = None) -> None:
        """Raises LogError if the log cannot be read, or has no such stream."""
        log = read_log(path)
        names = list(dict.fromkeys(frame.stream for frame in log.frames))
        if not names or (stream is not None and stream not in names):
            raise LogError(f"{path} has the streams {', '.join(names) or '(none)'}; pass one of them as --stream")
        self._scene = scene
        self._frames = [frame for frame in log.frames if frame.stream == (stream or names[0])]
        times = np.array([frame.pts_s for frame in self._frames])
        if not np.all(np.diff(times) > 0):  # pictures, or a clock that jumped: by the clock of the recording
            times = np.maximum.accumulate([frame.timestamp_ns / 1e9 for frame in self._frames])
        self._times = times - times[0]
        gui = scene.gui
        self._play = gui.add_checkbox("play", True)
        self._speed = gui.add_dropdown("speed", SPEEDS, initial_value="1x")
        self._scrubber: Any = gui.add_slider("frame", 0, max(len(self._frames) - 1, 1), 1, 0)
        whole = "" if log.complete else " (the end is missing)"
        gui.add_markdown(f"**{path.name}**{whole}\n\n{len(self._frames)} frames, {log.metadata.get('body_model', '')}")
        self._readout = gui.add_markdown("")
        self._shown = -1
        self._position_s = 0.0

    def run(self) -> None:
        """Until the window is closed."""
        before = time.monotonic()
        while self._scene.refresh():
            time.sleep(TICK_S)
            now = time.monotonic()
            self.step(now - before)
            before = now

    def show_most_people(self) -> None:
        """Go to the first frame with as many people as any."""
        self._scrubber.value = max(range(len(self._frames)), key=lambda i: (len(self._frames[i].bodies), -i))
        self.step(0.0)

    def step(self, elapsed_s: float) -> None:
        """Advance by `elapsed_s` seconds of real time, if playing, and show the frame due."""
        wanted = min(int(self._scrubber.value), len(self._frames) - 1)
        if wanted != self._shown:  # the user moved the scrubber
            self._position_s = float(self._times[wanted])
        elif self._play.value:
            self._position_s += elapsed_s * float(self._speed.value.rstrip("x"))
            if self._position_s > self._times[-1] + 1:
                self._position_s = 0.0  # after a second on the last frame, from the start
            wanted = max(int(np.searchsorted(self._times, self._position_s, side="right")) - 1, 0)
        if wanted != self._shown:
            self._show(wanted)

    def _show(self, index: int) -> None:
        result = result_of(self._frames[index])
        estimates = [body.estimate for body in result.bodies]
        people: list[Person] = []
        if estimates:
            vertices = self._scene.body.forward(
                np.stack([e.pose for e in estimates]),
                np.stack([e.betas for e in estimates]),
                np.stack([e.translation for e in estimates]),
                self._scene.level,
            ).vertices
            people = [Person(track_id=b.track_id, vertices=v) for b, v in zip(result.bodies, vertices, strict=True)]
        self._scene.show(result.frame.stream, people, result.frame.intrinsics, result.frame.size)
        self._shown = index
        self._scrubber.value = index
        self._readout.content = f"{result.frame.pts_s:.2f} s, frame {result.frame.index}, {len(people)} people"
