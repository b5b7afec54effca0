"""Where kernels run, and arrays that live there.

A `Device` is an NVIDIA GPU (`kernels.cuda_device.CudaDevice`) or, to prove the same sources and launchers without one,
a CPU (`kernels.host_device.HostDevice`). Launchers take `DeviceArray`s, which name their device; numpy arrays go to the
CPU functions of the same names in `kernels`.
"""

from __future__ import annotations

import ctypes
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike

from kernels.dlpack import CPU as DLPACK_CPU
from kernels.dlpack import export_dlpack, import_dlpack
from kernels.source import kernel_source

Grid = tuple[int, int, int]


class DeviceError(Exception):
    """A device is missing, or an operation on it failed."""


class DeviceMemoryError(DeviceError):
    """The device has no memory left for what was asked; less may still fit."""


class Recording(Protocol):
    """What `Device.record` gives."""

    def __call__(self, stream: Any = None) -> None:
        """Does the recorded work again, on the arrays it was recorded with."""


@dataclass(frozen=True, slots=True, eq=False)
class DeviceArray:
    """A dense, row-major array in the memory of a device. Frees what it owns when the last reference goes."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype
    device: Device
    owner: Any = field(default=None, repr=False)
    """Whatever keeps the memory alive."""

    @classmethod
    def of(cls, array: Any, device: Device) -> Self:
        """Without copying: a torch, CuPy, PyAV ... array of the GPU by its ``__cuda_array_interface__`` or DLPack.

        Raises ValueError where it is not contiguous, TypeError where it is no array of this kind of device.
        """
        if hasattr(array, "__dlpack__") and (not device.is_gpu or not hasattr(array, "__cuda_array_interface__")):
            view = import_dlpack(array, device.dlpack_device)
            return cls(view.pointer, view.shape, view.dtype, device, view.owner)
        try:
            face = array.__cuda_array_interface__
        except (AttributeError, TypeError) as error:
            raise TypeError(f"{type(array).__name__} is not in the memory of a GPU ({error})") from error
        shape, dtype = tuple(face["shape"]), np.dtype(face["typestr"])
        strides = face.get("strides")
        if strides is not None and tuple(strides) != row_major_strides(shape, dtype.itemsize):
            raise ValueError(
                f"array of shape {shape} has strides {tuple(strides)}, it must be contiguous: copy it first"
            )
        return cls(face["data"][0], shape, dtype, device, array)

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if not self.device.is_gpu:
            raise AttributeError(f"an array on {self.device} is not in the memory of a GPU")
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.pointer, False), "version": 3}

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device.dlpack_device

    def __dlpack__(self, *, stream: Any = None, **_: Any) -> Any:
        """For `torch.from_dlpack` and its like. Work queued on another stream than ``stream`` is the caller's to await:
        here every launch names its stream."""
        return export_dlpack(self.pointer, self.shape, self.dtype, self.device.dlpack_device, self)

    def first(self, count: int) -> DeviceArray:
        """The first ``count`` entries along the first axis; the same memory."""
        if not 0 <= count <= self.shape[0]:
            raise ValueError(f"an array of shape {self.shape} has no first {count} entries")
        return DeviceArray(self.pointer, (count, *self.shape[1:]), self.dtype, self.device, self)

    def row(self, index: int) -> DeviceArray:
        """One entry along the first axis; the same memory."""
        if not 0 <= index < self.shape[0]:
            raise IndexError(f"an array of shape {self.shape} has no row {index}")
        shape = self.shape[1:]
        offset = index * math.prod(shape) * self.dtype.itemsize
        return DeviceArray(self.pointer + offset, shape, self.dtype, self.device, self)

    def reshape(self, *shape: int) -> DeviceArray:
        """The same memory under another shape."""
        if math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"an array of shape {self.shape} cannot be seen as {shape}")
        return DeviceArray(self.pointer, shape, self.dtype, self.device, self)


class Device(ABC):
    """Memory and launches. ``stream`` is the caller's: None, a handle, or anything with ``__cuda_stream__``."""

    is_gpu: bool = False

    @property
    def dlpack_device(self) -> tuple[int, int]:
        """(type, index) as DLPack counts devices."""
        return DLPACK_CPU, 0

    @abstractmethod
    def new_stream(self) -> Any:
        """A queue of work of its own, for a group of cameras: what is queued there does not wait for other streams."""

    @abstractmethod
    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        """Memory of the host that the device copies to and from without the host waiting."""

    @abstractmethod
    def write(self, target: DeviceArray, source: np.ndarray, stream: Any = None) -> None:
        """``source`` into ``target``, of the same shape and type, on the stream. Memory that is not pinned is copied
        before this returns; pinned memory must keep until the stream is there."""

    @abstractmethod
    def read(self, target: np.ndarray, source: DeviceArray, stream: Any = None) -> None:
        """``source`` into pinned memory of the same shape and type, on the stream; there after `synchronize`."""

    @abstractmethod
    def synchronize(self, stream: Any = None) -> None:
        """Waits until the stream has done all that was queued. The one place where the host waits."""

    def follow_default_stream(self, stream: Any = None) -> None:  # noqa: B027 - only GPUs have streams
        """What is queued on ``stream`` from now on comes after what others (a decoder) have queued on the default one.
        The host does not wait."""

    @abstractmethod
    def record(self, work: Callable[[], object], stream: Any = None) -> Recording:
        """What ``work`` launches on ``stream``, to be launched again as one: a CUDA graph.

        ``work`` runs twice: once as it is, so that everything is compiled and allocated, once to be recorded. It must
        not wait for the device and must allocate nothing.
        """

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: Any = None) -> DeviceArray:
        """Memory that holds anything."""

    @abstractmethod
    def fill(self, array: DeviceArray, byte: int, stream: Any = None) -> None:
        """Every byte of ``array`` becomes ``byte``."""

    @abstractmethod
    def upload(self, array: np.ndarray, stream: Any = None) -> DeviceArray:
        """A copy on the device."""

    @abstractmethod
    def download(self, array: DeviceArray, stream: Any = None) -> np.ndarray:
        """A copy on the host; waits for the stream."""

    @abstractmethod
    def copy(self, target: DeviceArray, source: DeviceArray, stream: Any = None) -> None:
        """Bytes of ``source`` into ``target``, which must be as large."""

    @abstractmethod
    def milliseconds(self, work: Callable[[], object], repeats: int) -> float:
        """Mean time of ``work``, which launches on the device's own stream; waits for it."""

    @abstractmethod
    def _start(
        self, source: str, kernel: str, grid: Grid, block: Grid, params: ctypes.Structure, stream: Any
    ) -> None: ...

    def filled(self, shape: tuple[int, ...], dtype: DTypeLike, byte: int, stream: Any = None) -> DeviceArray:
        """New memory, every byte ``byte``."""
        array = self.empty(shape, dtype, stream)
        self.fill(array, byte, stream)
        return array

    def launch(self, source: str, kernel: str, *, grid: Grid, block: Grid, stream: Any = None, **fields: Any) -> None:
        """Starts ``kernel`` of ``source``.cu; ``fields`` are those of its parameter struct, arrays as DeviceArray.

        A grid with an empty axis starts nothing. Raises TypeError where fields are missing or unknown.
        """
        structure = kernel_source(source).params[kernel]
        names = {name for name, *_ in structure._fields_}
        if names != fields.keys():
            raise TypeError(f"{kernel} takes {sorted(names)}; missing or unknown: {sorted(names ^ fields.keys())}")
        if 0 in grid:
            return
        params = structure()
        for name, kind, *_ in structure._fields_:
            value = fields[name]
            if isinstance(value, DeviceArray):
                value = value.pointer
            elif issubclass(kind, ctypes.Array):
                value = kind(*value)
            setattr(params, name, value)
        self._start(source, kernel, grid, block, params, stream)


def check_same(target: Any, source: Any) -> None:
    """Raises ValueError where the two arrays of a copy differ in shape or type."""
    if tuple(target.shape) != tuple(source.shape) or target.dtype != source.dtype:
        raise ValueError(f"cannot copy {source.shape} {source.dtype} into {target.shape} {target.dtype}")


def row_major_strides(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Bytes from one element to the next along each axis."""
    return tuple(math.prod(shape[axis + 1 :]) * itemsize for axis in range(len(shape)))


def blocks(count: int, size: int) -> int:
    """Blocks of ``size`` that cover ``count``."""
    return -(-count // size)
