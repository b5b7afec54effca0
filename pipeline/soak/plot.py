"""The course of a soak run as a picture: age, memory and drops over time, drawn with OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import OutputError
from pipeline.soak.windows import Row

WIDTH, PANEL, MARGIN = 1100, 220, (70, 16, 30, 34)
"""Pixels; margins left, right, top, bottom of a panel."""
_INK, _GRID, _LIMIT = (40, 40, 40), (225, 225, 225), (60, 60, 220)
_COLOURS = ((180, 119, 31), (14, 127, 255), (44, 160, 44), (189, 103, 148), (75, 86, 140), (34, 189, 188))
"""BGR, one per stream."""

Line = tuple[str, tuple[int, int, int], list[tuple[float, float]]]
"""Name, colour, points (minutes, value)."""


def draw(rows: Sequence[Row], age_limit_ms: float) -> np.ndarray:
    """(H, W, 3) uint8 BGR."""
    streams = list(dict.fromkeys(row.stream for row in rows))
    colours = {stream: _COLOURS[index % len(_COLOURS)] for index, stream in enumerate(streams)}

    def lines(name: str) -> list[Line]:
        return [
            (stream, colours[stream], [(r.time_s / 60, getattr(r, name)) for r in rows if r.stream == stream])
            for stream in streams
        ]

    whole = [row for row in rows if row.stream == streams[0]]
    memory: Line = ("memory", _COLOURS[0], [(row.time_s / 60, row.memory_mb) for row in whole])
    load: Line = ("load of the machine", _COLOURS[1], [(row.time_s / 60, row.load) for row in whole])
    cpu: Line = ("processors used by the program", _COLOURS[0], [(row.time_s / 60, row.cpu) for row in whole])
    return np.vstack(
        [
            _panel("age at publication, p99 per 10 s, ms", lines("age_p99_ms"), limit=age_limit_ms),
            _panel("age at publication, median per 10 s, ms", lines("age_p50_ms")),
            _panel("pictures not published, %", lines("dropped_percent")),
            _panel("resident memory, MB", [memory]),
            _panel("processors", [cpu, load]),
        ]
    )


def write(rows: Sequence[Row], age_limit_ms: float, path: Path) -> None:
    """As PNG. Raises OutputError."""
    if not cv2.imwrite(str(path), draw(rows, age_limit_ms)):
        raise OutputError(f"cannot write {path}; choose a folder you may write to")


def _panel(title: str, lines: Sequence[Line], limit: float | None = None) -> np.ndarray:
    left, right, top, bottom = MARGIN
    image = np.full((PANEL, WIDTH, 3), 255, np.uint8)
    points = [point for _, _, own in lines for point in own if math.isfinite(point[1])]
    end = max((x for x, _ in points), default=1.0) or 1.0
    ceiling = _round_up(max([y for _, y in points] + ([limit] if limit is not None else []), default=1.0))

    def at(x: float, y: float) -> tuple[int, int]:
        across = left + (WIDTH - left - right) * x / end
        return round(across), round(PANEL - bottom - (PANEL - top - bottom) * min(y / ceiling, 1.0))

    for step in range(5):
        y = ceiling * step / 4
        cv2.line(image, at(0, y), at(end, y), _GRID)
        _write(image, f"{y:g}", (8, at(0, y)[1] + 4))
        _write(image, f"{end * step / 4:.3g} min", (at(end * step / 4, 0)[0] - (50 if step == 4 else 20), PANEL - 12))
    if limit is not None:
        cv2.line(image, at(0, limit), at(end, limit), _LIMIT)
    for name, colour, own in lines:
        kept = np.array([at(x, y) for x, y in own if math.isfinite(y)], np.int32)
        if len(kept):
            cv2.polylines(image, [kept], False, colour, 1, cv2.LINE_AA)
        _write(image, name, (WIDTH - right - 260, top + 14 + 16 * [n for n, _, _ in lines].index(name)), colour)
    _write(image, title, (left, 20))
    return image


def _write(image: np.ndarray, text: str, at: tuple[int, int], colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1, cv2.LINE_AA)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 10 times a power of ten, so that quarters are short numbers."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 10) if value <= step * power)
