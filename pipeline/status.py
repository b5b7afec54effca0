"""What a run says in the terminal: one line that is rewritten while it goes on, and a few lines at its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from pipeline.summary import Progress

PLAIN_INTERVAL_S = 10.0
"""Where the output is no terminal, a line this often."""


class StatusLine:
    """Shows `Progress`: in place on a terminal, as sparse lines elsewhere."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._in_place = self._out.isatty()
        self._shown = False
        self._next_s = time.monotonic() + PLAIN_INTERVAL_S

    def show(self, progress: Progress) -> None:
        if self._in_place:
            self._out.write(f"\r\x1b[K{describe(progress)}")
            self._out.flush()
            self._shown = True
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PLAIN_INTERVAL_S
            print(describe(progress), file=self._out, flush=True)

    def error(self, message: str) -> None:
        self.clear()
        print(f"error: {message}", file=self._out, flush=True)

    def clear(self) -> None:
        """Make room for other output."""
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._shown = False


def describe(progress: Progress) -> str:
    """`frame 120 | 31.2 fps | latency 40/52 ms | 2 people | 3 dropped`"""
    parts = [f"frame {progress.frames}", f"{progress.fps:.1f} fps"]
    if progress.latency_p50_ms is not None and progress.latency_p99_ms is not None:
        parts.append(f"latency {progress.latency_p50_ms:.0f}/{progress.latency_p99_ms:.0f} ms")
    parts.append("1 person" if progress.bodies_now == 1 else f"{progress.bodies_now} people")
    parts += [f"{count} dropped in {place}" for place, count in progress.dropped.items() if count]
    return " | ".join(parts)


def closing_lines(summary: Mapping[str, Any], artefacts: Sequence[tuple[str, str]]) -> list[str]:
    """The end of a run: its figures, then what it wrote and how to look at it (label, path or command)."""
    latency, stages = summary["latency_ms"], summary["stage_ms"]
    lines = [
        f"{summary['frames_processed']} of {summary['frames_read']} frames in {summary['wall_s']:.1f} s "
        f"({summary['fps']:.1f} fps), {summary['frames_dropped']} dropped, {summary['bodies']} bodies"
    ]
    if latency["p50"] is not None:
        lines.append(f"latency p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms")
    if stages:
        lines.append("stages, ms: " + ", ".join(f"{stage} {mean:.1f}" for stage, mean in stages.items()))
    for name, sink in summary.get("sinks", {}).items():
        if sink["dropped"]:
            lines.append(f"{name}: {sink['dropped']} results were dropped")
        if figures := sink.get("figures"):
            lines.append(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    width = max((len(label) for label, _ in artefacts), default=0)
    return lines + [f"  {label:{width}}  {where}" for label, where in artefacts]
