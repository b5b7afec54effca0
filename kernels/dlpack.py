"""DLPack: arrays handed between libraries without a copy (https://dmlc.github.io/dlpack, version 0.8 of the structs).

The unversioned capsule is used, which every library still takes and gives.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CPU, CUDA, CUDA_HOST = 1, 2, 3
"""DLDeviceType."""
_INT, _UINT, _FLOAT, _BFLOAT, _BOOL = 0, 1, 2, 4, 6
_CODES = {"i": _INT, "u": _UINT, "f": _FLOAT, "b": _BOOL}
_NAME, _USED = b"dltensor", b"used_dltensor"


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Managed))
_Managed._fields_ = (("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))

_api = ctypes.pythonapi
_api.PyCapsule_New.restype, _api.PyCapsule_New.argtypes = (
    ctypes.py_object,
    [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
)
_api.PyCapsule_GetPointer.restype, _api.PyCapsule_GetPointer.argtypes = (
    ctypes.c_void_p,
    [ctypes.py_object, ctypes.c_char_p],
)
_api.PyCapsule_IsValid.argtypes = [ctypes.py_object, ctypes.c_char_p]
_api.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
_raw = ctypes.PyDLL(None)
"""The same interpreter, for a capsule that is being destroyed and must not be counted again."""

_alive: dict[int, tuple[Any, ...]] = {}
"""Address of what was exported -> what it needs, until the consumer lets go."""


@_Deleter
def _let_go(managed: Any) -> None:
    _alive.pop(ctypes.addressof(managed.contents), None)


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def _capsule_dies(capsule: int) -> None:
    """Nobody took the array."""
    is_valid, get = _raw["PyCapsule_IsValid"], _raw["PyCapsule_GetPointer"]
    is_valid.argtypes = get.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    get.restype = ctypes.c_void_p
    if is_valid(capsule, _NAME):
        _alive.pop(get(capsule, _NAME), None)


@dataclass(frozen=True, slots=True)
class View:
    """Somebody else's array."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype
    owner: Any
    """Lets go of it when the last reference goes."""


def export_dlpack(pointer: int, shape: tuple[int, ...], dtype: np.dtype, device: tuple[int, int], owner: Any) -> Any:
    """A capsule of a dense, row-major array; ``owner`` lives until its consumer lets go."""
    sizes = (ctypes.c_int64 * max(len(shape), 1))(*shape)
    managed = _Managed()
    tensor = managed.tensor
    tensor.data, tensor.ndim, tensor.shape = pointer, len(shape), sizes
    tensor.device_type, tensor.device_id = device
    tensor.code, tensor.bits, tensor.lanes = _CODES[dtype.kind], dtype.itemsize * 8, 1
    managed.deleter = ctypes.cast(_let_go, ctypes.c_void_p)
    address = ctypes.addressof(managed)
    _alive[address] = (managed, sizes, owner)
    return _api.PyCapsule_New(address, _NAME, ctypes.cast(_capsule_dies, ctypes.c_void_p))


def import_dlpack(array: Any, device: tuple[int, int]) -> View:
    """The array behind ``__dlpack__``. Raises TypeError where it lives on another device than ``device`` or has a type
    that numpy does not know, ValueError where it is not contiguous."""
    where = tuple(map(int, array.__dlpack_device__()))
    if where != device:
        raise TypeError(f"{type(array).__name__} is on DLPack device {where}, not on {device}: copy it there")
    capsule = array.__dlpack__()
    managed = _Managed.from_address(_api.PyCapsule_GetPointer(capsule, _NAME))
    _api.PyCapsule_SetName(capsule, _USED)
    owner = _Owner(managed)
    tensor = managed.tensor
    if tensor.lanes != 1 or tensor.code not in _CODES.values():
        raise TypeError(f"{type(array).__name__} has DLPack type {tensor.code}, {tensor.bits} bits, x{tensor.lanes}")
    kind = next(letter for letter, code in _CODES.items() if code == tensor.code)
    dtype = np.dtype(bool) if kind == "b" else np.dtype(f"{kind}{tensor.bits // 8}")
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if tensor.strides:
        strides = tuple(tensor.strides[axis] for axis in range(tensor.ndim))
        dense = tuple(math.prod(shape[axis + 1 :]) for axis in range(tensor.ndim))
        if any(size > 1 and a != b for size, a, b in zip(shape, strides, dense, strict=True)):
            raise ValueError(
                f"array of shape {shape} has strides {strides} elements, it must be contiguous: copy it first"
            )
    return View((tensor.data or 0) + tensor.byte_offset, shape, dtype, owner)


class _Owner:
    """Calls the producer's deleter once."""

    def __init__(self, managed: _Managed) -> None:
        self._managed = managed
        self._delete: Callable[..., None] | None = _Deleter(managed.deleter) if managed.deleter else None

    def __del__(self) -> None:
        if self._delete is not None:
            self._delete(ctypes.byref(self._managed))
