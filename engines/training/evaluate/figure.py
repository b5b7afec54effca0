"""One figure of an evaluation, and many of them as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its name."""

    section: str
    name: str
    value: float
    unit: str = ""
    """`%` for shares 0..1, mm, ...; nothing for plain numbers."""
    beside: float = float("nan")
    """The same of what it is compared with, NaN for nothing."""
    beside_name: str = ""

    def words(self, value: float) -> str:
        """A value in this figure's unit."""
        if math.isnan(value):
            return "-"
        if self.unit == "%":
            return f"{100 * value:.1f} %"
        if float(value).is_integer() and not self.unit:
            return f"{value:.0f}"
        digits = 3 if abs(value) < 10 else 1 if abs(value) < 1000 else 0
        return f"{value:.{digits}f} {self.unit}".rstrip()


def rows_of(figures: Sequence[Figure]) -> list[tuple[str, str, str, str]]:
    """Section (once), name, value, what is beside it."""
    out = []
    last = ""
    for figure in figures:
        beside = "" if math.isnan(figure.beside) else f"{figure.words(figure.beside)} {figure.beside_name}".rstrip()
        out.append((figure.section if figure.section != last else "", figure.name, figure.words(figure.value), beside))
        last = figure.section
    return out


def text_table(figures: Sequence[Figure]) -> str:
    """For the terminal."""
    rows = rows_of(figures)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)


def markdown_table(figures: Sequence[Figure]) -> str:
    """For a file."""
    lines = ["| | figure | value | beside |", "|---|---|---:|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows_of(figures)]) + "\n"


def json_rows(figures: Sequence[Figure]) -> list[dict[str, str | float | None]]:
    """For programs; NaN becomes null."""
    rows: list[dict[str, str | float | None]] = []
    for f in figures:
        value = None if math.isnan(f.value) else f.value
        rows.append({"section": f.section, "name": f.name, "unit": f.unit, "value": value})
        if not math.isnan(f.beside):
            rows[-1] |= {"beside": f.beside, "beside_name": f.beside_name}
    return rows
