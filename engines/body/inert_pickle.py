"""Read arrays out of a pickle without running any of it.

A pickle is a program; SMPL's official files are pickles. This reader admits the few constructors such files need,
each replaced by an inert equivalent of ours, and refuses every other name before anything is called.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_MAX_ARRAY_BYTES = 2**31


class ForbiddenPickleError(ValueError):
    """The pickle asks for something that plain arrays do not need."""


class Record:
    """An object of the file as its bare state: nothing of its class is known or called."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array:
    """What numpy's pickles build: first an empty array, then its state (version, shape, dtype, fortran, bytes)."""

    def __init__(self, *_: Any) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType):
            raise ForbiddenPickleError("an array has no dtype of numpy")
        if isinstance(data, str):  # Python 2's strings, read as latin-1
            data = data.encode("latin-1")
        if not isinstance(data, bytes) or len(data) > _MAX_ARRAY_BYTES:
            raise ForbiddenPickleError("an array's data are not plain bytes")
        self.array = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")


class _DType:
    """A dtype of plain numbers, from its code and byte order."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        code = code.decode("latin-1") if isinstance(code, bytes) else str(code)
        try:
            self.dtype = np.dtype(code)
        except TypeError as error:
            raise ForbiddenPickleError(f"array of type {code!r}, only numbers are read") from error
        if self.dtype.kind not in "biufc":
            raise ForbiddenPickleError(f"array of type {code!r}, only numbers are read")

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">", b"<", b">"):
            order = state[1].decode() if isinstance(state[1], bytes) else state[1]
            self.dtype = self.dtype.newbyteorder(order)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, _DType):
        raise ForbiddenPickleError("a number has no dtype of numpy")
    raw = data.encode("latin-1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype.dtype)[0]


def _encode(text: str, encoding: str = "latin-1") -> bytes:
    if encoding not in ("latin-1", "latin1"):
        raise ForbiddenPickleError(f"text is encoded as {encoding!r}, expected latin-1")
    return text.encode("latin-1")


def _reconstructor(*_: Any) -> Record:
    return Record()


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _encode,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("__builtin__", "object"): Record,
    ("builtins", "object"): Record,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_core, "_reconstruct"] = _Array
    _ALLOWED[_core, "scalar"] = _scalar
for _csc in ("scipy.sparse.csc", "scipy.sparse._csc", "scipy.sparse.csr", "scipy.sparse._csr"):
    _ALLOWED[_csc, _csc.rsplit(".", 1)[1].strip("_") + "_matrix"] = Record
for _name in ("chumpy.ch", "chumpy"):
    _ALLOWED[_name, "Ch"] = Record
_ALLOWED["chumpy.reordering", "Select"] = Record


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise ForbiddenPickleError(
                f"it asks for {module}.{name}, which arrays do not need; it was not run. Convert the file to .npz "
                "where you trust it"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise ForbiddenPickleError("it refers to objects outside the file")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a pickled dict by name; scipy sparse matrices and chumpy arrays as plain arrays, the rest left out.

    Raises ForbiddenPickleError if the file asks for anything but arrays, and then nothing of it has run.
    """
    try:
        content = _InertUnpickler(io.BytesIO(path.read_bytes()), encoding="latin1").load()
    except ForbiddenPickleError:
        raise
    except Exception as error:  # a broken pickle can fail in any way
        raise ForbiddenPickleError(f"it is not a readable pickle ({type(error).__name__}: {error})") from error
    if not isinstance(content, dict):
        raise ForbiddenPickleError("it does not hold a dict of arrays")
    found = {str(name): _plain(value) for name, value in content.items()}
    return {name: array for name, array in found.items() if array is not None}


def _plain(value: Any) -> np.ndarray | None:
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, Record) and isinstance(value.state, dict):
        state = value.state
        if {"data", "indices", "indptr"} <= set(state):
            return _dense(state)
        if "a" in state and "idxs" in state:  # chumpy's selection from another array
            source, chosen = _plain(state["a"]), _plain(state["idxs"])
            if source is None or chosen is None:
                return None
            shape = state.get("preferred_shape")
            picked = source.reshape(-1)[chosen]
            return picked.reshape(shape) if isinstance(shape, tuple) else picked
        return _plain(state.get("x"))
    return None


def _dense(state: dict[str, Any]) -> np.ndarray:
    """Compressed sparse columns or rows, whichever fits the pointers."""
    shape = tuple(int(n) for n in (state.get("_shape") or state["shape"]))
    data, indices, pointer = (_plain(state[name]) for name in ("data", "indices", "indptr"))
    if data is None or indices is None or pointer is None or len(shape) != 2:
        raise ForbiddenPickleError("a sparse matrix lacks its arrays")
    outer = np.repeat(np.arange(len(pointer) - 1), np.diff(pointer))
    dense = np.zeros(shape, data.dtype)
    columns = len(pointer) - 1 == shape[1]
    dense[(indices, outer) if columns else (outer, indices)] = data
    return dense
