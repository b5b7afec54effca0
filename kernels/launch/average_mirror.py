"""Maps of crops and of their mirror images on a device; the CPU path is `kernels.average_mirror`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels.check import check_array
from kernels.device import DeviceArray, blocks

MOST_CHANNELS = 64


def average_mirror(maps: DeviceArray, order: Sequence[int], *, stream: Any = None) -> DeviceArray:
    """Maps (2 B, P, H, W) or values (2 B, P) float32 -> their first half, which has become the average; see the CPU
    path. P at most 64. Raises TypeError or ValueError."""
    values = len(maps.shape) == 2
    check_array("maps", maps, ("2 B", "P") if values else ("2 B", "P", "H", "W"), np.float32)
    rows, channels, height, width = (*maps.shape, 1, 1) if values else maps.shape
    if rows % 2:
        raise ValueError(f"maps has {rows} rows, it must have as many mirror images as crops")
    if channels > MOST_CHANNELS or sorted(order) != list(range(channels)):
        raise ValueError(f"order must be a permutation of {channels} channels, at most {MOST_CHANNELS}, got {order}")
    maps.device.launch(
        "average_mirror",
        "average_mirror",
        grid=(blocks(height * width, 256), channels, rows // 2),
        block=(256, 1, 1),
        stream=stream,
        maps=maps,
        order=order,
        height=height,
        width=width,
    )
    return maps.first(rows // 2)
