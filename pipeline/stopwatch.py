"""Times every call of one method of a class while a benchmark runs; the code that is timed knows nothing of it."""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class Stopwatch:
    """Context in which calls of ``owner.method`` are timed and counted, from any thread.

    ``key``: takes the object whose method is called and names the bucket; default: one bucket. Calls from inside
    a timed call are part of it.
    ``within``: another stopwatch; then only calls made inside one of its timed calls count, on the same thread.
    """

    def __init__(
        self, owner: type, method: str, *, key: Callable[[Any], str] | None = None, within: Stopwatch | None = None
    ) -> None:
        self._owner, self._method, self._key, self._within = owner, method, key, within
        self._lock = threading.Lock()
        self._inside = threading.local()
        self.total_ms: Counter[str] = Counter()
        """Bucket -> milliseconds of all its calls."""
        self.cpu_ms: Counter[str] = Counter()
        """Bucket -> the same in processor time of the calling threads: without waiting for a processor or a lock."""
        self.calls: Counter[str] = Counter()

    @property
    def running(self) -> bool:
        """True while this thread is inside a timed call."""
        return getattr(self._inside, "busy", False)

    def __enter__(self) -> Self:
        original = self._original = getattr(self._owner, self._method)

        @functools.wraps(original)
        def timed(target: Any, *args: Any, **kwargs: Any) -> Any:
            if self.running or (self._within is not None and not self._within.running):
                return original(target, *args, **kwargs)
            self._inside.busy = True
            started_ns, cpu_started_ns = time.perf_counter_ns(), time.thread_time_ns()
            try:
                return original(target, *args, **kwargs)
            finally:
                elapsed_ms = (time.perf_counter_ns() - started_ns) / 1e6
                cpu_ms = (time.thread_time_ns() - cpu_started_ns) / 1e6
                self._inside.busy = False
                bucket = self._key(target) if self._key else self._method
                with self._lock:
                    self.total_ms[bucket] += elapsed_ms  # type: ignore[assignment]
                    self.cpu_ms[bucket] += cpu_ms  # type: ignore[assignment]
                    self.calls[bucket] += 1

        setattr(self._owner, self._method, timed)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        setattr(self._owner, self._method, self._original)
