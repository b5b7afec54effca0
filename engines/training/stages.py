"""Options that change along a training's schedule: ``192:0.3,256:1`` is 192 for 30 % of it, then 256."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stages:
    """Values and the share of the schedule, 0..1, until which each holds; the last holds to the end."""

    steps: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, text: str) -> Stages:
        """``VALUE`` or ``VALUE:UNTIL,VALUE:UNTIL``; ArgumentTypeError where it is neither, or shares do not rise."""
        try:
            pairs = [(item if ":" in item else f"{item}:1").split(":") for item in text.split(",")]
            steps = tuple((float(value), float(until)) for value, until in pairs)
        except ValueError as error:
            raise ArgumentTypeError(
                f"{text!r}: expected VALUE, or VALUE:UNTIL,VALUE:UNTIL, like 192:0.3,256:1"
            ) from error
        shares = [until for _, until in steps]
        if shares != sorted(set(shares)):
            raise ArgumentTypeError(
                f"{text!r}: the shares of the schedule, after the colons, must rise from item to item"
            )
        return cls(steps)

    def at(self, progress: float) -> float:
        """The value at a progress of 0..1."""
        return next((value for value, until in self.steps if progress < until), self.steps[-1][0])
