"""Is there an NVIDIA GPU? Asked of the driver itself, so that the answer needs no package and takes milliseconds."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

_COMPUTE_MAJOR, _COMPUTE_MINOR = 75, 76
"""CUdevice_attribute values of the compute capability (CUDA driver API)."""


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """The first CUDA device."""

    name: str
    compute_capability: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name} (sm_{self.compute_capability[0]}{self.compute_capability[1]})"


def find_cuda_device() -> CudaDevice | None:
    """The first CUDA device of this machine; None where there is no driver or it sees no GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(256)
    calls = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGet(ctypes.byref(device), 0),
        lambda: driver.cuDeviceGetName(name, len(name), device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(major), _COMPUTE_MAJOR, device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(minor), _COMPUTE_MINOR, device),
    )
    if any(call() != 0 for call in calls):
        return None
    return CudaDevice(name.value.decode(errors="replace"), (major.value, minor.value))
