"""Kinds of fault. Each is a function that injects a fault, lets it last, and takes it away; then the campaign checks.

A fault raises FaultError if the program did what it must not do even while the fault lasts. Faults that strike one
camera name it; the other stream must not notice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.chaos.stage import Stage
from pipeline.errors import BodystreamError


class FaultError(BodystreamError):
    """The program did something wrong while a fault lasted."""


Strike = Callable[[Stage, Random, str], str]
"""Injects, waits, takes away. `(stage, random, camera)` -> a few words on how hard it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind."""

    name: str
    what: str
    """One line for the report."""
    strike: Strike
    scope: str
    """`camera`: one stream suffers; `all`: both do; `none`: no stream may notice."""


FAULTS: dict[str, Fault] = {}
"""By name, in the order of the report."""


def fault(name: str, what: str, scope: str = "camera") -> Callable[[Strike], Strike]:
    """Register a kind."""

    def register(strike: Strike) -> Strike:
        FAULTS[name] = Fault(name=name, what=what, strike=strike, scope=scope)
        return strike

    return register


def load_all() -> dict[str, Fault]:
    """All kinds of the package."""
    from pipeline.chaos import camera_faults, process_faults, subscriber_faults  # noqa: F401  (they register)

    return FAULTS
