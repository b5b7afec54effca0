"""A thread that finishes one thing while its caller begins the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class OneAhead:
    """Runs what it is given, one after the other and in order, never more than one thing behind.

    The thread is a daemon: a call that hangs does not keep the process alive.
    """

    def __init__(self, name: str) -> None:
        self._waiting: SimpleQueue[tuple[Callable[[], object], Future[None]] | None] = SimpleQueue()
        self._last: Future[None] | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, call: Callable[[], object]) -> None:
        """Have ``call`` run, after waiting for the one before. Raises what that one raised."""
        self.wait()
        self._last = Future()
        self._waiting.put((call, self._last))

    def wait(self) -> None:
        """Until nothing is left to run. Raises what the last call raised, once."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self, timeout_s: float = 0.0) -> None:
        """Let the thread end after what it has; returns when it has, or after ``timeout_s``."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            call, done = item
            try:
                call()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)
            del item, call, done
