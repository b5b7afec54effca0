"""Methods: crops of people in, bodies out. One file per published method."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.methods.evidence import CropRequest
from engines.runtime.engine import Precision, Runtime

WEIGHTS = Path(__file__).parents[1] / "weights"

__all__ = ["WEIGHTS", "BodyEstimate", "CropRequest", "Method", "create_method"]


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
    if name == "bilayer":
        from engines.methods.regression import RegressionMethod

        return RegressionMethod(
            body, runtime=runtime, precision=precision, preset=preset, threads=threads, mirror=mirror
        )
    raise ValueError(f"method is {name!r}, this version has only 'bilayer'")
