"""A network's maps of crops and of their mirror images, averaged. CPU path."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def average_mirror(maps: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Maps (2 B, P, H, W), or values (2 B, P), of B crops and then of their mirror images -> (B, P, ...), the average.

    ``order`` (P,): the channel that shows in the mirror what each shows, left and right having changed places. Works in
    place: the first half of ``maps`` is what is returned, because maps are large and fresh memory is slow.
    """
    count = len(maps) // 2
    averaged, mirrored = maps[:count], maps[count:].take(order, 1)
    if maps.ndim == 4:
        # Reading backwards keeps numpy from using vector instructions: OpenCV turns the rows around first.
        rows = mirrored.reshape(-1, maps.shape[3])
        cv2.flip(rows, 1, dst=rows)
    averaged += mirrored
    averaged *= 0.5
    return averaged
