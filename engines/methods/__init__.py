"""Methods: crops of people in, bodies out. One file per published method."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.methods.evidence import CropRequest
from engines.runtime.engine import Precision, Runtime

WEIGHTS = Path(__file__).parents[1] / "weights"

METHODS = {"bilayer": "engines.methods.bilayer"}
"""Name -> module; its ``open_lifter(body, *, runtime, precision, preset, threads)`` gives a `trunk_method.Lifter`."""

__all__ = ["METHODS", "WEIGHTS", "BodyEstimate", "CropRequest", "Method", "create_method"]


class Method(Protocol):
    """Estimates bodies; owns its engines."""

    weights: dict[str, str]
    """File name of each network -> SHA-256 in hex, for the log."""

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """One body per request, in their order. Adds the milliseconds of its stages to ``spans_ms``."""

    def close(self) -> None:
        """Let go of the engines."""


def create_method(
    name: str,
    *,
    body: BodyModel,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    preset: str = "small",
    threads: int = 0,
    mirror: bool = True,
) -> Method:
    """A method by its name; ``mirror`` as in `engines.methods.evidence.TrunkReader`.

    Raises ValueError for an unknown name, EngineError where its networks cannot run here.
    """
    if name not in METHODS:
        raise ValueError(f"method is {name!r}, it must be one of {', '.join(METHODS)}")
    from engines.methods.trunk_method import TrunkMethod, load_trunk

    open_lifter = import_module(METHODS[name]).open_lifter
    trunk = load_trunk(preset, runtime, precision, threads, mirror=mirror)
    lifter = open_lifter(body, runtime=runtime, precision=precision, preset=preset, threads=threads)
    return TrunkMethod(trunk, lifter, body, mirror=mirror)
