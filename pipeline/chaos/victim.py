"""The program under test: `bodystream run`, with a hand inside it for faults that cannot be injected from outside.

    python -m pipeline.chaos.victim bright|real FLAGS OF bodystream run

Says `ready` on stdout once the networks are loaded, and obeys lines on stdin:

    stall SECONDS         the estimator takes so much longer for its next frames
    wall-clock SECONDS    this process' wall clock is off by so much
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from engines.body import BodyModel
from pipeline.assemble import default_estimator
from pipeline.chaos.bright import BrightEstimator
from pipeline.cli import run
from pipeline.config import RunConfig
from pipeline.runner import FrameEstimator
from pipeline.types import Frame, FrameResult


class StallingEstimator:
    """Another estimator that can be told to hang for a while."""

    def __init__(self, inner: FrameEstimator) -> None:
        self._inner = inner
        self.weights = inner.weights
        self.stall_s = 0.0

    def warm_up(self) -> None:
        self._inner.warm_up()
        print("ready", flush=True)

    def look(self, frames: list[Frame]) -> Any:
        stall_s, self.stall_s = self.stall_s, 0.0
        time.sleep(stall_s)
        return self._inner.look(frames)

    def lift(self, looked: Any) -> list[FrameResult]:
        return self._inner.lift(looked)

    def catch_up(self, looked: Any) -> None:
        self._inner.catch_up(looked)

    def close(self) -> None:
        self._inner.close()


def main(argv: list[str]) -> int:
    kind, *flags = argv

    def build(config: RunConfig, body: BodyModel) -> FrameEstimator:
        estimator = StallingEstimator(BrightEstimator() if kind == "bright" else default_estimator(config, body))
        threading.Thread(target=_obey, args=(estimator,), name="obey", daemon=True).start()
        return estimator

    return run(flags, build_estimator=build)


def _obey(estimator: StallingEstimator) -> None:
    for line in sys.stdin:
        command, value = line.split()
        if command == "stall":
            estimator.stall_s = float(value)
        elif command == "wall-clock":
            _shift_wall_clock(float(value))


_time, _time_ns = time.time, time.time_ns


def _shift_wall_clock(offset_s: float) -> None:
    time.time = lambda: _time() + offset_s  # type: ignore[assignment]
    time.time_ns = lambda: _time_ns() + round(offset_s * 1e9)  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
