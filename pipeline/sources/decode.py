"""One decoded picture -> upright RGB. Here live the traits of real video: rotation, odd sizes, grey, 10 bits."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, cast

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer

Upright = Callable[[np.ndarray], np.ndarray]


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB as stored, from any pixel format, depth, range and colour matrix that swscale knows."""
    # One thread: with more, PyAV starts them anew for every picture and they stay until it is garbage-collected.
    return frame.reformat(format="rgb24", threads=1).to_ndarray()


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """The signs (a, b, c, d) of the picture's display matrix: a stored point (x, y) is shown at (ax + cy, bx + dy)."""
    # Not `frame.side_data`: it and the frame would hold each other, and the picture with them, until a collection.
    data = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # the stub lacks the constructor
    if data is not None:
        a, b, _, c, d = struct.unpack_from("<5i", memoryview(cast(Any, data)))
        return _sign(a), _sign(b), _sign(c), _sign(d)
    return None


def upright(matrix: tuple[int, int, int, int] | None) -> Upright:
    """The function that turns a stored picture (H, W, 3) upright; quarter turns and mirror images.

    A matrix that is no quarter turn leaves the picture as it is: cameras write quarter turns only.
    """
    if matrix is None or matrix == (1, 0, 0, 1):
        return lambda image: image
    a, b, c, d = matrix
    if a and d and not b and not c:
        return lambda image: np.ascontiguousarray(image[::d, ::a])
    if b and c and not a and not d:  # x' = c*y, y' = b*x: transpose, then flip the axes whose sign is negative
        return lambda image: np.ascontiguousarray(image.transpose(1, 0, 2)[::b, ::c])
    return lambda image: image


def _sign(value: int) -> int:
    """Sign of a 16.16 number, 0 where it is nearly zero."""
    return 0 if abs(value) < 1 << 12 else (1 if value > 0 else -1)
