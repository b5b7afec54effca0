"""Starts, kills and watches the program under test."""

from __future__ import annotations

import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import BodystreamError

START_LIMIT_S = 300.0
"""Compiling networks on a busy machine takes long; a start that takes longer than this failed."""

END_LIMIT_S = 40.0
"""For a process that was asked to end: it drains its sinks first."""


class TargetError(BodystreamError):
    """The program under test does not start, or ends when it should not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a process holds."""

    threads: int
    descriptors: int
    memory_mb: float
    """Resident."""

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Now (Linux). Raises OSError if the process is gone."""
        status = Path(f"/proc/{pid}/status").read_text()
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        return cls(
            threads=int(fields["Threads"]),
            descriptors=descriptors,
            memory_mb=int(fields.get("VmRSS", "0").split()[0]) / 1024,
        )


class Target:
    """One process at a time, started again with the same command."""

    def __init__(self, command: list[str], stderr: Path) -> None:
        """`command`: flags of `pipeline.chaos.victim`. What it says goes to `stderr`."""
        self._command = [sys.executable, "-m", "pipeline.chaos.victim", *command]
        self._stderr = stderr
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0

    def start(self) -> float:
        """Start and wait until it has loaded; the seconds that took. Raises TargetError."""
        began_s = time.monotonic()
        with self._stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, bufsize=1
            )
        self.starts += 1
        lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._forward, args=(self._process, lines), daemon=True).start()
        while time.monotonic() - began_s < START_LIMIT_S:
            try:
                line = lines.get(timeout=1)
            except queue.Empty:
                continue
            if line == "ready\n":
                return time.monotonic() - began_s
            if not line:
                break
        raise TargetError(f"the program under test does not start; it said: {self.last_words()}")

    @staticmethod
    def _forward(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tell(self, command: str) -> None:
        """A line for `pipeline.chaos.victim`."""
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_s: float) -> int | None:
        """The exit code, None if it does not end."""
        assert self._process is not None
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def limit(self, which: int, value: int | None) -> None:
        """Set a soft limit (`resource.RLIMIT_*`) of the running process; None lifts it."""
        _, hard = resource.prlimit(self.pid, which)
        resource.prlimit(self.pid, which, (hard if value is None else value, hard))

    def lowest_free_descriptor(self) -> int:
        """With this number as limit, nothing can be opened any more."""
        taken = {int(name) for name in os.listdir(f"/proc/{self.pid}/fd")}
        return next(number for number in range(len(taken) + 1) if number not in taken)

    def footprint(self) -> Footprint:
        """Threads, descriptors and memory now. Raises TargetError if it is gone."""
        try:
            return Footprint.of(self.pid)
        except OSError as error:
            raise TargetError(f"the program under test is gone: {self.last_words()}") from error

    def last_words(self) -> str:
        """The end of what it wrote to stderr."""
        return self._stderr.read_text(errors="replace")[-500:].strip() if self._stderr.exists() else ""
