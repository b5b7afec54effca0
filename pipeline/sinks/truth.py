"""Sink that compares the bodies of a rendered clip with the bodies that were drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.truth import TrueBody, TruthMeter
from pipeline.types import FrameResult


class TruthSink:
    """Its report is the true error of the run."""

    name = "truth"
    wants_pictures = False

    def __init__(self, truth: Callable[[int], Sequence[TrueBody]]) -> None:
        """`truth(frame index)`: the bodies that stand in that frame."""
        self._truth = truth
        self._meter = TruthMeter()

    def write(self, result: FrameResult) -> None:
        frame = result.frame
        self._meter.add(result.bodies, self._truth(frame.index), frame.intrinsics, frame.size)

    def close(self) -> None:
        pass

    def report(self) -> dict[str, object]:
        return {"figures": self._meter.report()}
