"""A file whose `write` never fails and never blocks: bytes wait in memory until `drain` gets them to the disk.

The file on disk is at every moment a prefix of what was written, also across a full disk: a drain that stops halfway
goes on at the same byte once there is room.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

MCAP_MAGIC = b"\x89MCAP0\r\n"


class LogFile:
    """Output stream for one log segment. `write` on one thread, `drain` on another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._offset = 0
        self._lock = threading.Lock()

    @property
    def pending_bytes(self) -> int:
        """Bytes that are not on the disk yet."""
        return self._pending_bytes

    def write(self, data: bytes) -> int:
        """Append to what waits for the disk."""
        if data:
            with self._lock:
                self._pending.append(bytes(data))
                self._pending_bytes += len(data)
                self._offset += len(data)
        return len(data)

    def tell(self) -> int:
        """Position in the file as it will be once everything is drained."""
        return self._offset

    def flush(self) -> None:
        """Part of the stream interface; `drain` does the work, on the thread that may block."""

    def open(self) -> None:
        """Create the file; raises OSError. A log that a killed run left behind is moved aside, not overwritten."""
        if self._fd is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _keep_unfinished_log(self.path)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)

    def drain(self) -> int:
        """Write what waits to the disk and return the number of bytes; raises OSError and then keeps the rest."""
        self.open()
        assert self._fd is not None
        total = 0
        while self._pending:
            data = self._pending[0]
            written = os.write(self._fd, data)
            with self._lock:
                self._pending.popleft()
                if written < len(data):
                    self._pending.appendleft(data[written:])
                self._pending_bytes -= written
            total += written
        return total

    def close(self) -> None:
        """Close the file descriptor; what is still pending is lost."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            try:
                os.fsync(fd)
            except OSError:
                pass  # not every target can (a pipe, /dev/full); the bytes were handed to the system
            finally:
                os.close(fd)


def _keep_unfinished_log(path: Path) -> None:
    """Rename a log without an end mark to STEM.unfinished-N.mcap: it is all that is left of a run that was killed."""
    if not path.is_file() or path.stat().st_size <= len(MCAP_MAGIC):
        return
    with path.open("rb") as file:
        starts_as_log = file.read(len(MCAP_MAGIC)) == MCAP_MAGIC
        file.seek(-len(MCAP_MAGIC), os.SEEK_END)
        if not starts_as_log or file.read() == MCAP_MAGIC:
            return
    number = 1
    while (kept := path.with_name(f"{path.stem}.unfinished-{number}{path.suffix}")).exists():
        number += 1
    path.rename(kept)
