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

    ``key``: takes the object whose method is called and names the bucket; default: one bucket. Calls that a method
    makes of itself on the same object are counted once, as part of the outer call.
    """

    def __init__(self, owner: type, method: str, *, key: Callable[[Any], str] | None = None) -> None:
        self._owner, self._method, self._key = owner, method, key
        self._lock = threading.Lock()
        self._inside = threading.local()
        self.total_ms: Counter[str] = Counter()
        """Bucket -> milliseconds of all its calls."""
        self.calls: Counter[str] = Counter()

    def __enter__(self) -> Self:
        original = self._original = getattr(self._owner, self._method)

        @functools.wraps(original)
        def timed(target: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(self._inside, "busy", False):
                return original(target, *args, **kwargs)
            self._inside.busy = True
            started_ns = time.perf_counter_ns()
            try:
                return original(target, *args, **kwargs)
            finally:
                elapsed_ms = (time.perf_counter_ns() - started_ns) / 1e6
                self._inside.busy = False
                bucket = self._key(target) if self._key else self._method
                with self._lock:
                    self.total_ms[bucket] += elapsed_ms  # type: ignore[assignment]
                    self.calls[bucket] += 1

        setattr(self._owner, self._method, timed)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        setattr(self._owner, self._method, self._original)
