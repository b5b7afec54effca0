"""Injects fault after fault and judges each: recovered, or lost and why."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from pipeline.chaos.checks import (
    CURRENT_S,
    LOG_DELAY_S,
    LogFolder,
    back_after_s,
    eventually,
    leaks,
    longest_gap_s,
)
from pipeline.chaos.faults import Fault
from pipeline.chaos.stage import Stage, calm
from pipeline.chaos.target import END_LIMIT_S, Footprint
from pipeline.errors import BodystreamError

REST_S = 0.3
"""Between two faults."""
SETTLE_S = 3.0
"""After a start, before what the process holds counts as its normal measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One injection."""

    kind: str
    camera: str
    how: str
    """How hard it was."""
    back_s: float
    """From the end of the cause until both streams were current; infinity if never."""
    problems: tuple[str, ...]
    """Empty if the program recovered."""

    @property
    def recovered(self) -> bool:
        return not self.problems


class Campaign:
    """One run of a seeded sequence of faults on a stage."""

    def __init__(self, stage: Stage, faults: Sequence[Fault], seed: int) -> None:
        self.stage = stage
        self._faults, self._random = list(faults), Random(seed)
        self._logs = LogFolder(stage.logs)
        self.frames_checked = 0
        """Frames that a subscriber saw and that were looked for in the log."""
        self.first = self.last = self._measure()
        """What the process held when it was new, and after the last fault."""

    def run(self, injections: int, until_s: float = math.inf) -> Iterator[Verdict]:
        """One verdict per injection, at most so many, none begun after `until_s` (monotonic). Every kind comes once
        before any comes twice."""
        order: list[Fault] = []
        for _ in range(injections):
            if time.monotonic() >= until_s:
                return
            if not order:
                order = self._random.sample(self._faults, len(self._faults))
            yield self.inject(order.pop())
            time.sleep(REST_S)

    def inject(self, fault: Fault) -> Verdict:
        """One fault and its verdict."""
        stage, random = self.stage, Random(self._random.random())
        camera = random.choice(sorted(stage.cameras))
        problems: list[str] = []
        how = ""
        stage.restarted = False
        began_s = time.monotonic()
        lost_before = stage.observer.stats.lost
        try:
            how = fault.strike(stage, random, camera)
        except BodystreamError as error:
            problems.append(str(error))
        finally:
            calm(stage)
        ended_s = time.monotonic()
        back_s = self._wait_until_back(ended_s)
        if math.isinf(max(back_s.values())):
            silent = ", ".join(stream for stream, seconds in back_s.items() if math.isinf(seconds))
            problems.append(f"{silent} not back within {stage.patience_s:g} s")
        problems += self._undisturbed(fault, camera, began_s, lost_before)
        problems += self._revive() if not stage.target.alive else []
        problems += eventually(self._not_in_the_log, stage.patience_s + LOG_DELAY_S)
        if stage.restarted:
            self.first = self._measure()
        else:
            problems += eventually(lambda: leaks(self.first, stage.target.footprint()), stage.patience_s)
        self.last = stage.target.footprint()
        return Verdict(
            kind=fault.name, camera=camera if fault.scope == "camera" else "", how=how,
            back_s=max(back_s.values()), problems=tuple(problems),
        )  # fmt: skip

    def finish(self) -> list[str]:
        """End the program in order; what is wrong with how it ended and what it left behind."""
        self.stage.target.signal(signal.SIGTERM)
        code = self.stage.target.wait(END_LIMIT_S)
        problems = [] if code == 0 else [f"asked to end, its exit code was {code}"]
        missing = self._logs.missing(self.stage.observer.seen(), self.stage.excused)
        if missing:
            problems.append(f"{len(missing)} frames are in no log")
        if "Traceback" in (words := self.stage.target.last_words()):
            problems.append(f"it wrote a traceback: {words}")
        return problems

    def _wait_until_back(self, since_s: float) -> dict[str, float]:
        stage = self.stage

        def back() -> dict[str, float]:
            return back_after_s(stage.observer.seen(since_s), sorted(stage.cameras), since_s, CURRENT_S)

        eventually(lambda: [s for s, seconds in back().items() if math.isinf(seconds)], stage.patience_s)
        return {s: seconds if seconds <= stage.patience_s else math.inf for s, seconds in back().items()}

    def _undisturbed(self, fault: Fault, camera: str, began_s: float, lost_before: int) -> list[str]:
        """What the fault did to streams that it is none of the business of."""
        stage, now_s = self.stage, time.monotonic()
        if fault.scope == "all":
            return []
        seen = stage.observer.seen(began_s)
        problems = []
        for stream in stage.cameras:
            if fault.scope == "camera" and stream == camera:
                continue
            if (gap_s := longest_gap_s(seen, stream, began_s, now_s)) > stage.patience_s:
                problems.append(f"{stream} was silent for {gap_s:.1f} s although the fault was none of its own")
        if fault.scope == "none" and (lost := stage.observer.stats.lost - lost_before):
            problems.append(f"a healthy subscriber lost {lost} frames")
        return problems

    def _not_in_the_log(self) -> list[str]:
        """Frames older than a second that no log has; those that one has are forgotten."""
        old_s = time.monotonic() - LOG_DELAY_S
        old = [seen for seen in self.stage.observer.seen() if seen.arrived_s <= old_s]
        missing = self._logs.missing(old, self.stage.excused)
        if not missing:
            self.stage.observer.forget(old_s)
            self.frames_checked += len(old)
            return []
        first = missing[0]
        age_s = time.monotonic() - first.arrived_s
        return [f"{len(missing)} frames are not in the log, the first of {first.stream}, {age_s:.1f} s old"]

    def _revive(self) -> list[str]:
        """The program died of a fault that it has to survive: say so, and go on with a new one."""
        words = self.stage.target.last_words()
        self.stage.target.kill()
        self.stage.target.start()
        self.stage.restarted = True
        return [f"the program ended: {words}"]

    def _measure(self) -> Footprint:
        time.sleep(SETTLE_S)
        return self.stage.target.footprint()


def line(number: int, verdict: Verdict) -> str:
    """`  3 stall yard (1.2 s): back after 0.41 s`"""
    where = " ".join(filter(None, (verdict.kind, verdict.camera)))
    outcome = f"back after {verdict.back_s:.2f} s" if verdict.recovered else "LOST: " + "; ".join(verdict.problems)
    return f"{number:4} {where} ({verdict.how}): {outcome}"
