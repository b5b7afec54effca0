"""`python -m pipeline.soak`: the program on live cameras for an hour, watched from outside. Exit code 1 if it failed.

Starts `bodystream run` in a process of its own on cameras that play a clip of one person for ever (`--streams N`) or on
the sources given, subscribes to it as any client does, and writes every ten seconds how old bodies were when they were
published, what was dropped, and what the process holds (rows.csv); every minute a line, and the verdict so far
(soak.json), so that nothing is lost of a run that is killed. Ctrl-C or SIGTERM ends a run early and in order.

    python -m pipeline.soak --minutes 60 --out runs/soak
    python -m pipeline.soak --docs docs/live.md --out runs/soak [--out runs/soak2 ...]     the last runs' figures
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.bench_video import live_video
from pipeline.chaos.stage import free_port
from pipeline.chaos.target import END_LIMIT_S, START_LIMIT_S, Footprint
from pipeline.client import Subscription
from pipeline.errors import BodystreamError
from pipeline.soak import report
from pipeline.soak.loop_camera import LoopCamera
from pipeline.soak.windows import WINDOW_S, Row, Verdict, Window, judge

LIMIT_ONE_MS, LIMIT_MANY_MS = 80.0, 150.0
"""Age at publication, 99th percentile, of one stream and of each of several."""
MINUTE_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class SoakError(BodystreamError):
    """The program under test did not start, or ended."""


class Program:
    """`bodystream run` in a process of its own. Its files are in ``folder``."""

    def __init__(self, sources: Sequence[str], address: str, folder: Path, flags: Sequence[str]) -> None:
        command = [sys.executable, "-m", "run_stream", "--publish", address, "--record", str(folder / "poses.mcap")]
        command += ["--rotate-minutes", "10", "--summary", str(folder / "summary.json"), "--quiet", *flags]
        command += [word for source in sources for word in ("--source", source)]
        self._stderr = folder / "stderr.txt"
        with self._stderr.open("w") as stderr:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)

    def check(self) -> None:
        """Raises SoakError if it has ended."""
        if self._process.poll() is not None:
            raise SoakError(f"the program under test ended with {self._process.returncode}: {self._words()}")

    def footprint(self) -> Footprint:
        return Footprint.of(self._process.pid)

    def cpu_s(self) -> float:
        """Processor time that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def finish(self) -> None:
        """Ask it to end. Raises SoakError if it does not do so in order."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise SoakError(f"the program under test does not end: {self._words()}") from error
        if code:
            raise SoakError(f"the program under test, asked to end, ended with {code}: {self._words()}")

    def kill(self) -> None:
        """Make sure that it is gone."""
        self._process.kill()
        self._process.wait()

    def _words(self) -> str:
        return self._stderr.read_text(errors="replace").strip()[-300:]


def watch(
    subscription: Subscription,
    program: Program,
    streams: int,
    seconds: float,
    on_rows: Callable[[list[Row], list[Window]], None],
) -> tuple[list[Row], list[Window]]:
    """Rows of a run of so many seconds, counted from when all streams have come; each time there are more, all rows so
    far go to ``on_rows``.

    Raises SoakError.
    """
    windows: dict[str, Window] = {}
    rows: list[Row] = []
    deadline_s = time.monotonic() + START_LIMIT_S
    while len(windows) < streams:
        program.check()
        if time.monotonic() > deadline_s:
            raise SoakError(f"{len(windows)} of {streams} streams came up within {START_LIMIT_S:.0f} s")
        if (frame := subscription.next_frame(0.2)) is not None:
            windows.setdefault(frame.stream, Window(frame.stream))
    began_s = last_s = time.monotonic()
    busy_s = program.cpu_s()
    while last_s < began_s + seconds:
        if (frame := subscription.next_frame(0.2)) is not None:
            window = windows.setdefault(frame.stream, Window(frame.stream))
            window.add(frame.index, frame.publish_delay_s * 1e3, len(frame.bodies), frame.lost)
        now_s = time.monotonic()
        if now_s >= min(last_s + WINDOW_S, began_s + seconds):
            program.check()
            busy_before_s, busy_s = busy_s, program.cpu_s()
            cpu, load = (busy_s - busy_before_s) / (now_s - last_s), round(os.getloadavg()[0], 1)
            rows += [window.row(now_s - began_s, program.footprint(), cpu, load) for window in windows.values()]
            on_rows(rows, list(windows.values()))
            last_s = now_s
    return rows, list(windows.values())


def soak(options: argparse.Namespace, flags: Sequence[str]) -> int:
    """Run, write the files, print the lines. Raises BodystreamError."""
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "soak.json").unlink(missing_ok=True)  # of an earlier run
    limit_ms = options.age_limit or (LIMIT_ONE_MS if (len(options.source) or options.streams) == 1 else LIMIT_MANY_MS)

    def keep(rows: list[Row], windows: list[Window], finished: bool = False) -> Verdict:
        verdict, conditions = judge(rows, windows, limit_ms), _conditions(options, flags)
        if finished:  # the program has written its summary
            streams = json.loads((options.out / "summary.json").read_text())["streams"].values()
            conditions["packets skipped or undecodable"] = sum(stream["skipped"] for stream in streams)
        report.write(options.out, verdict, conditions, finished=finished)
        return verdict

    def on_rows(rows: list[Row], windows: list[Window]) -> None:
        report.write_rows(options.out, rows)
        before_s = next((row.time_s for row in reversed(rows) if row.time_s < rows[-1].time_s), 0.0)
        if rows[-1].time_s // MINUTE_S > before_s // MINUTE_S and any(row.frames for row in rows):
            keep(rows, windows)
            print(report.progress(rows, options.minutes), flush=True)

    with contextlib.ExitStack() as stack:
        sources = list(options.source)
        if not sources:
            clip = options.clip or live_video()
            for number in range(options.streams):
                camera = LoopCamera(clip)
                stack.callback(camera.stop)
                sources.append("http://{}:{}/camera{}.ts".format(*camera.address, number))
        address = f"tcp://127.0.0.1:{free_port()}"
        subscription = stack.enter_context(Subscription(address))
        program = Program(sources, address, options.out, flags)
        stack.callback(program.kill)
        rows, windows = watch(subscription, program, len(sources), options.minutes * 60, on_rows)
        program.finish()
    verdict = keep(rows, windows, finished=True)
    report.write_picture(options.out)
    print(verdict.line())
    return int(bool(verdict.failures))


def _conditions(options: argparse.Namespace, flags: Sequence[str]) -> dict[str, Any]:
    """What was measured on: for the report."""
    loads = os.getloadavg()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "niceness": os.nice(0),
        "load average of the last 15 minutes": round(loads[2], 1),
        "source": ", ".join(options.source) or f"{options.clip.name if options.clip else live_video().name} in a loop",
        "flags": " ".join(flags) or "none",
    }


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="what follows -- goes to `bodystream run`",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--out", type=Path, action="append", help="folder for the figures (default: runs/soak)")
    parser.add_argument("--streams", type=int, default=1, help="how many cameras play the clip")
    parser.add_argument("--clip", type=Path, help="H.264 without B-frames that they play; default: one walker, 720p")
    parser.add_argument("--source", action="append", default=[], help="a live source instead of these cameras")
    parser.add_argument("--age-limit", type=float, metavar="MS", help="of the 99th percentile; default: 80, or 150")
    parser.add_argument("--docs", type=Path, metavar="PATH.md", help="measure nothing, put the figures into a document")
    words = list(sys.argv[1:] if argv is None else argv)
    split = words.index("--") if "--" in words else len(words)
    options, flags = parser.parse_args(words[:split]), words[split + 1 :]
    folders = options.out or [Path("runs/soak")]
    options.out = folders[-1]
    try:
        if options.docs is not None:
            report.put_into_docs(folders, options.docs)
            return 0
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the program under test must not outlive this one
        return soak(options, flags)
    except KeyboardInterrupt:
        print(f"interrupted; what was measured is in {options.out}", file=sys.stderr)
        return 1
    except BodystreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
