"""Methods: crops of people in, bodies out. One file per published method."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.methods.evidence import CropRequest, EvidenceReader
from engines.methods.look import Look
from engines.runtime.engine import Precision, Runtime

WEIGHTS = Path(__file__).parents[1] / "weights"

METHODS = {
    "bilayer": "engines.methods.bilayer",
    "smplify": "engines.methods.smplify",
    "ordinal": "engines.methods.ordinal",
    "smplr": "engines.methods.smplr",
    "bodynet": "engines.methods.bodynet",
}
"""Name -> module; its ``open_lifter(body, *, runtime, precision, preset, threads)`` gives a `trunk_method.Lifter`."""
FROM_POINTS = frozenset({"bilayer", "ordinal", "smplr", "smplify"})
"""Methods that can do with image points alone."""

__all__ = ["METHODS", "WEIGHTS", "BodyEstimate", "CropRequest", "Look", "Method", "create_method"]


class Method(Protocol):
    """Estimates bodies; owns its engines."""

    weights: dict[str, str]
    """File name of each network -> SHA-256 in hex, for the log."""

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """One body per request, in their order. Adds the milliseconds of its stages to ``spans_ms``."""

    def look(self, requests: list[CropRequest], least_scores: Sequence[float], spans_ms: dict[str, float]) -> Look:
        """The first half of `estimate`: one sighting per request. Of those who score less than their ``least_scores``
        no body will be asked for."""

    def lift(self, look: Look, rows: Sequence[int], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """The second half: bodies of some of the requests. It may run on another thread beside the next `look`."""

    def remember(self, requests: Sequence[CropRequest], bodies: Sequence[BodyEstimate]) -> None:
        """What became of looks, for those to come. Called between looks, so that it does not depend on how long bodies
        take what a look knows."""

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
    mirror: bool | None = None,
    keypoints: Path | None = None,
    surfaces: bool = False,
) -> Method:
    """A method by its name; ``mirror`` as in `engines.methods.evidence.TrunkReader`.

    ``keypoints``: a keypoint network in place of the trunk, see `engines.methods.keypoint_front_end`.
    ``surfaces``: isosurfaces of volumes in the estimates too, from `bodynet`.
    Raises ValueError for an unknown name and for keypoints where the method needs more than points, EngineError where
    its networks cannot run here.
    """
    if name not in METHODS:
        raise ValueError(f"method is {name!r}, it must be one of {', '.join(METHODS)}")
    if surfaces and name != "bodynet":
        raise ValueError(f"method {name} sees no volumes, only bodynet has surfaces; choose that or leave them out")
    if keypoints is not None and name not in FROM_POINTS:
        raise ValueError(
            f"method {name} reads the trunk's pictures, it cannot lift from the points of {keypoints.name}; choose one "
            f"of {', '.join(n for n in METHODS if n in FROM_POINTS)}"
        )
    from engines.methods.keypoint_front_end import open_keypoints
    from engines.methods.trunk_method import TrunkMethod, load_trunk

    open_lifter = import_module(METHODS[name]).open_lifter
    reader: EvidenceReader
    if keypoints is None:
        reader = load_trunk(preset, runtime, precision, threads, mirror=mirror)
    else:
        reader = open_keypoints(keypoints, runtime, precision, threads)
    lifter = open_lifter(body, runtime=runtime, precision=precision, preset=preset, threads=threads)
    if surfaces:
        lifter.show_surfaces()
    return TrunkMethod(reader, lifter, body)
