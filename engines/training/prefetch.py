"""Draw training batches on a thread of their own, a few ahead of the network."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Prefetcher(Generic[T]):
    """Calls ``draw`` over and over on one thread; use it as a context manager."""

    def __init__(self, draw: Callable[[], T], ahead: int = 3) -> None:
        self._draw = draw
        self._queue: queue.Queue[T] = queue.Queue(ahead)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            batch = self._draw()
            while not self._stop.is_set():
                try:
                    self._queue.put(batch, timeout=0.2)
                    break
                except queue.Full:
                    continue

    def next(self) -> T:
        """The next batch; blocks until it is drawn. Raises RuntimeError if the drawing thread died."""
        while True:
            try:
                return self._queue.get(timeout=5)
            except queue.Empty:
                if not self._thread.is_alive():
                    raise RuntimeError("the batch thread died; its traceback is above") from None

    def __enter__(self) -> Prefetcher[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
