"""`python -m pipeline.chaos`: the fault campaign as a command. Exit code 1 if any fault was lost."""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.chaos.campaign import Campaign, Verdict, line
from pipeline.chaos.checks import CURRENT_S
from pipeline.chaos.faults import Fault, load_all
from pipeline.chaos.report import closing_line, table, write_into
from pipeline.chaos.stage import set_up
from pipeline.config import suggest
from pipeline.errors import BodystreamError, UsageError

BACK_WITHIN_S = 2.0


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    known = load_all()
    options = _parser(known).parse_args(argv)
    try:
        return campaign(options, _chosen(known, options.kinds))
    except BodystreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def campaign(options: argparse.Namespace, faults: dict[str, Fault]) -> int:
    """Run with these kinds; print a line per injection and the closing line. Raises BodystreamError."""
    verdicts: list[Verdict] = []
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="bodystream-chaos-") as folder,
        set_up(
            Path(folder),
            estimator=options.estimator,
            patience_s=options.back_within,
            seed=options.seed,
            fps=options.fps,
        ) as stage,
    ):
        until_s = time.monotonic() + options.minutes * 60 if options.minutes else math.inf
        run = Campaign(stage, list(faults.values()), options.seed)
        for verdict in run.run(options.injections, until_s):
            verdicts.append(verdict)
            print(line(len(verdicts), verdict), flush=True)
        problems = run.finish()
    conditions = _conditions(options, run, (time.monotonic() - began_s) / 60)
    if options.report is not None:
        write_into(options.report, table(verdicts, faults, conditions))
    for text in problems:
        print(f"at the end: {text}")
    print(closing_line(verdicts))
    return int(bool(problems) or not all(verdict.recovered for verdict in verdicts))


def _conditions(options: argparse.Namespace, run: Campaign, minutes: float) -> list[str]:
    """What the table has to say about itself."""
    first, last = run.first, run.last
    return [
        f"two cameras (H.264 over HTTP, {options.fps:g} frames/s, each behind a faulty proxy), estimator "
        f"`{options.estimator}`, seed {options.seed}, {minutes:.0f} minutes",
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f}, niceness {os.nice(0)}, "
        f"Python {platform.python_version()}",
        f"back: a picture captured after the cause ended and not older than {CURRENT_S:g} s, from both cameras, within "
        f"{options.back_within:g} s; after a kill the cause ends when the program has loaded",
        f"{run.frames_checked} frames that a subscriber saw were found in the logs (those of the last second before a "
        "kill are excused)",
        f"threads {first.threads} -> {last.threads}, descriptors {first.descriptors} -> {last.descriptors}, "
        f"memory {first.memory_mb:.0f} -> {last.memory_mb:.0f} MB since the last restart",
    ]


def _chosen(known: dict[str, Fault], kinds: str | None) -> dict[str, Fault]:
    names = kinds.split(",") if kinds else list(known)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no fault {name!r}{suggest(name, known)}")
    return {name: known[name] for name in names}


def _parser(known: dict[str, Fault]) -> argparse.ArgumentParser:
    width = max(map(len, known))
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.chaos",
        description="Inject faults into a running pipeline and see it come back.",
        epilog="kinds:\n" + "\n".join(f"  {name:{width}}  {fault.what}" for name, fault in known.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed injects the same faults (default: 0)")
    parser.add_argument("--injections", type=int, default=300, help="how many (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=0, help="inject nothing after so many minutes; 0: no limit")
    parser.add_argument("--kinds", help="these alone, separated by commas")
    parser.add_argument(
        "--estimator", choices=("bright", "real"), default="bright",
        help="real: the project's networks; bright: one that costs nothing and tells the age of each picture (default)",
    )  # fmt: skip
    parser.add_argument("--fps", type=float, default=15, help="of each camera (default: %(default)s)")
    parser.add_argument(
        "--back-within", type=float, default=BACK_WITHIN_S, metavar="SECONDS",
        help="how soon the streams have to be back; more for a busy machine (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="PATH.md", help="document whose table is replaced")
    return parser


if __name__ == "__main__":
    sys.exit(main())
