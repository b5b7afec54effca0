"""How far the build of an engine is, and how long it will take: TensorRT reports nested phases of counted steps."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

OnProgress = Callable[[float, float | None], None]
"""Called with the share that is done, 0..1, and the seconds left (None while nothing can be said)."""


class PhaseTree:
    """The share of a build that is done: a phase fills the step of its parent during which it runs.

    Steps are taken as equally long, which they are not: the estimate is rough, the share never falls.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._open: dict[str, tuple[str | None, int, int]] = {}
        """Phase -> parent, steps, steps done; parents come before their children."""
        self._best = 0.0

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of ``steps`` begins inside ``parent``."""
        self._open[phase] = (parent if parent in self._open else None, max(steps, 1), 0)

    def step(self, phase: str) -> None:
        """One more step of a phase is done."""
        if phase in self._open:
            parent, steps, done = self._open[phase]
            self._open[phase] = (parent, steps, min(done + 1, steps))

    def finish(self, phase: str) -> None:
        """A phase is over, whatever steps it left out."""
        if phase in self._open:
            parent, steps, _ = self._open[phase]
            self._open[phase] = (parent, steps, steps)
            self.share  # noqa: B018 - remembered before the phase goes
            del self._open[phase]

    @property
    def share(self) -> float:
        """Of the whole build that is done, 0..1."""
        roots = [phase for phase, (parent, _, _) in self._open.items() if parent is None]
        self._best = max([self._best, *(self._share(phase) for phase in roots)])
        return self._best

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None in the first hundredth."""
        share = self.share
        return None if share < 0.01 else (self._clock() - self._started) * (1 - share) / share

    def _share(self, phase: str) -> float:
        _, steps, done = self._open[phase]
        inside = [child for child, (parent, _, _) in self._open.items() if parent == phase]
        part = max((self._share(child) for child in inside), default=0.0)
        return min((done + part) / steps, 1.0)


def progress_monitor(trt: Any, report: OnProgress) -> Any:
    """A TensorRT progress monitor that calls ``report`` from the builder's thread."""
    tree = PhaseTree()

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            tree.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            tree.step(phase_name)
            report(tree.share, tree.seconds_left)
            return True

        def phase_finish(self, phase_name: str) -> None:
            tree.finish(phase_name)
            report(tree.share, tree.seconds_left)

    return Monitor()


@contextmanager
def shown_in_terminal(name: str) -> Iterator[OnProgress]:
    """A bar with the time left on stderr while a build runs; a log line at its ends where stderr is no terminal."""
    log.info("building %s; this happens once per GPU", name)
    started = time.monotonic()
    if not sys.stderr.isatty():
        yield lambda share, seconds_left: None
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (
            TextColumn("building {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=1.0, left="")
            yield lambda share, seconds_left: bar.update(
                task, completed=share, left="" if seconds_left is None else f"about {seconds_left:.0f} s left"
            )
    log.info("built %s in %.1f s", name, time.monotonic() - started)
