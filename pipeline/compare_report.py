"""The report of a comparison: one HTML file that needs nothing else, and the table as text."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.compare_figures import MethodFigures

MAX_VIDEO_BYTES = 24_000_000
"""A larger video is linked, not carried inside."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of the table."""

    title: str
    field: str
    digits: int = 1
    percent: bool = False
    best: str = ""
    """`low`, `high` or nothing: which end is better."""
    meaning: str = ""


COLUMNS = (
    Column("bodies", "bodies", 0, meaning="Bodies over all frames; the same people and crops for every method."),
    Column("ms/person", "ms_per_person", 1, best="low", meaning="Wall time of one crop: crop, trunk, method, quality."),
    Column("own ms", "own_ms_per_person", 1, best="low", meaning="Of this, what is not the crop and the trunk."),
    Column(
        "keypoints", "keypoints_within", 1, True, "high",
        "Share of the limb points the 2D network is sure of (confidence 0.5) that have the body's own point within 0.2 "
        "torso lengths. Methods that are fitted to these very points do well here by construction.",
    ),
    Column("silhouette", "silhouette_iou", 3, best="high", meaning="IoU of the body's outline and the segmentation."),
    Column(
        "jitter raw", "jitter_raw", 0, best="low",
        meaning="Third derivative of the joints relative to the pelvis, m/s³, before smoothing.",
    ),
    Column("jitter", "jitter", 0, best="low", meaning="The same after smoothing."),
    Column("PA-MPJPE", "pa_mpjpe_mm", 1, best="low", meaning="Joint error after alignment to the truth, mm."),
    Column("MPJPE", "mpjpe_mm", 1, best="low", meaning="Joint error relative to the pelvis, mm."),
    Column("PVE", "pve_mm", 1, best="low", meaning="Error of the mesh relative to the pelvis, mm."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the report says."""

    source: str
    frames: int
    settings: str
    figures: Mapping[str, MethodFigures]
    left_out: Mapping[str, str]
    failed: Mapping[str, str]
    true_jitter: float
    """m / s^3; NaN where the truth is not known."""
    pictures: Sequence[tuple[str, np.ndarray]]
    """(caption, RGB)."""
    video: Path | None


def shown_columns(figures: Mapping[str, MethodFigures]) -> list[Column]:
    """Those that some method has a figure for."""
    return [c for c in COLUMNS if any(not math.isnan(getattr(row, c.field)) for row in figures.values())]


def cell(column: Column, row: MethodFigures) -> str:
    """One figure in words."""
    value = getattr(row, column.field)
    if math.isnan(value):
        return "-"
    return f"{100 * value:.{column.digits}f} %" if column.percent else f"{value:.{column.digits}f}"


def text_table(figures: Mapping[str, MethodFigures]) -> str:
    """For the terminal."""
    columns = shown_columns(figures)
    rows = [["method", *(c.title for c in columns)]]
    rows += [[name, *(cell(c, row) for c in columns)] for name, row in figures.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(text.rjust(w) for text, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )


def write_report(path: Path, report: Comparison) -> None:
    """The HTML file; pictures, and a video of up to 24 MB, are inside. Raises OSError."""
    columns = shown_columns(report.figures)
    best = {c.field: _best(c, list(report.figures.values())) for c in columns}
    head = "".join(f'<th title="{html.escape(c.meaning)}">{html.escape(c.title)}</th>' for c in columns)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(
            f"<td{' class=best' if getattr(row, c.field) == best[c.field] else ''}>{html.escape(cell(c, row))}</td>"
            for c in columns
        )
        + "</tr>"
        for name, row in report.figures.items()
    )
    notes = "".join(f"<li><b>{html.escape(c.title)}</b>: {html.escape(c.meaning)}</li>" for c in columns)
    if not math.isnan(report.true_jitter):
        notes += f"<li>The true motion's own jitter is {report.true_jitter:.0f} m/s³.</li>"
    absent = [f"{name} was left out: {why}" for name, why in report.left_out.items()]
    absent += [f"{name} broke on the way: {why}" for name, why in report.failed.items()]
    figures = "".join(
        f'<figure><img src="{_data_url(picture)}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        for caption, picture in report.pictures
    )
    path.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Methods on {html.escape(report.source)}</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:1500px;margin:2em auto;padding:0 1em;color:#222}}
table{{border-collapse:collapse}}th,td{{padding:.3em .8em;text-align:right;border-bottom:1px solid #ddd}}
th:first-child{{text-align:left}}.best{{font-weight:700;background:#e7f5e7}}img,video{{max-width:100%}}
figure{{margin:1.5em 0}}figcaption{{color:#555}}.absent{{color:#a33}}</style>
<h1>Methods on {html.escape(report.source)}</h1><p>{report.frames} frames. {html.escape(report.settings)}</p>
<table><tr><th>method</th>{head}</tr>{body}</table>
<ul>{notes}</ul>{"".join(f"<p class=absent>{html.escape(line)}</p>" for line in absent)}
{_video(report.video)}{figures}</html>
"""
    )


def _best(column: Column, rows: Sequence[MethodFigures]) -> float | None:
    values = [value for row in rows if not math.isnan(value := getattr(row, column.field))]
    if not column.best or len(set(values)) < 2:
        return None
    return min(values) if column.best == "low" else max(values)


def _video(path: Path | None) -> str:
    if path is None:
        return ""
    source = html.escape(path.name)
    if path.stat().st_size <= MAX_VIDEO_BYTES:
        source = "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
    return f'<video controls loop src="{source}"></video>'


def _data_url(picture: np.ndarray) -> str:
    ok, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert ok
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
