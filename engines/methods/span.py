"""Where the time of a frame goes: milliseconds per named stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def span(spans_ms: dict[str, float], name: str) -> Iterator[None]:
    """Adds the milliseconds spent inside the block to ``spans_ms[name]``."""
    started = time.perf_counter()
    try:
        yield
    finally:
        spans_ms[name] = spans_ms.get(name, 0.0) + (time.perf_counter() - started) * 1e3
