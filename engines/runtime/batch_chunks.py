"""A batch of any size, served in chunks of the few sizes that a network was compiled for."""

from __future__ import annotations

import numpy as np


def chunks(count: int, sizes: tuple[int, ...]) -> list[int]:
    """Chunk sizes (``sizes`` descending) that cover ``count``; only the last chunk may be larger than what is left."""
    found = []
    while count > 0:
        size = next((size for size in sizes if size <= count), sizes[-1])
        found.append(size)
        count -= size
    return found


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """``array`` (n, ...) with its last row repeated up to ``size`` rows."""
    missing = size - len(array)
    return array if missing <= 0 else np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
