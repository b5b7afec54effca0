"""What launchers ask of the arrays they are handed, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from kernels.device import Device, DeviceArray

ALIGNMENT = 16
"""Bytes: the widest load of any kernel."""


def check_array(name: str, array: DeviceArray, shape: Sequence[int | str], dtype: DTypeLike) -> None:
    """Raises TypeError or ValueError. ``shape``: sizes, or the name of an axis where any size will do."""
    if not isinstance(array, DeviceArray):
        raise TypeError(
            f"{name} is a {type(array).__name__}, this kernel takes a DeviceArray: device.upload(array) copies one, "
            "DeviceArray.of(tensor, device) wraps one that is already there"
        )
    words = "(" + ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
    fits = len(array.shape) == len(shape) and all(
        isinstance(want, str) or want == size for want, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} must have shape {words}, got {array.shape}")
    if array.dtype != np.dtype(dtype):
        raise TypeError(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
    if array.pointer % ALIGNMENT:
        raise ValueError(f"{name} starts at address {array.pointer:#x}, it must be a multiple of {ALIGNMENT}: copy it")


def one_device(**arrays: DeviceArray) -> Device:
    """The device all ``arrays`` live on. Raises ValueError where they live on several."""
    devices = {id(array.device): array.device for array in arrays.values()}
    if len(devices) != 1:
        where = ", ".join(f"{name} on {array.device}" for name, array in arrays.items())
        raise ValueError(f"arrays must share one device, got {where}")
    return next(iter(devices.values()))
