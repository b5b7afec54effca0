"""A CPU as a `Device`: the kernels' own sources, compiled by g++ behind cuda/cpu_shim.h and run one thread at a time.

It is for proof, not for speed: with sanitizers compiled in, a read or write outside an array ends the process.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from kernels.compile import default_cache_dir
from kernels.device import Device, DeviceArray, DeviceError, DeviceMemoryError, Grid, Recording, check_same
from kernels.source import CUDA_DIR, KernelSource, kernel_source

_FLAGS = (
    *("-x", "c++", "-std=c++17", "-O1", "-g1", "-shared", "-fPIC"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-sign-compare"),
    *("-ffp-contract=off", "-fno-strict-aliasing", "-include", str(CUDA_DIR / "cpu_shim.h")),
)
_ONE_AT_A_TIME = threading.Lock()
"""A library keeps the indices of its threads in globals, and all devices share the library."""
_FAILURES = {1: "its threads part at a barrier: some reach it, others never do", 2: "its parameter struct differs"}


class HostDevice(Device):
    """``sanitize``: values of g++'s -fsanitize, "" for none. "address" needs libasan loaded before Python itself.
    ``memory``: bytes that all arrays together may take, None for no bound of its own.

    Raises DeviceError where there is no g++.
    """

    def __init__(self, sanitize: str = "undefined", cache_dir: Path | None = None, memory: int | None = None) -> None:
        compiler = shutil.which("g++")
        if compiler is None:
            raise DeviceError("running kernels on a CPU needs g++: apt install g++")
        self._compiler, self._sanitize = compiler, sanitize
        self._cache_dir = default_cache_dir() if cache_dir is None else cache_dir
        self._libraries: dict[str, ctypes.CDLL] = {}
        self._memory, self.used = memory, 0
        # Not numpy's memory: of malloc, the address sanitizer knows where each array ends.
        self._libc = ctypes.CDLL(None)
        self._libc.malloc.restype, self._libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        self._libc.free.argtypes = [ctypes.c_void_p]

    def __repr__(self) -> str:
        return f"HostDevice(sanitize={self._sanitize!r})"

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: Any = None) -> DeviceArray:
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        if self._memory is not None and self.used + size > self._memory:
            raise DeviceMemoryError(f"{self} has {self._memory - self.used} bytes left, an array {shape} takes {size}")
        memory = _Memory(self, size)
        # What no kernel writes should be seen.
        ctypes.memset(memory.pointer, 0xCD, size)
        return DeviceArray(memory.pointer, tuple(shape), kind, self, memory)

    def fill(self, array: DeviceArray, byte: int, stream: Any = None) -> None:
        ctypes.memset(array.pointer, byte, array.nbytes)

    def upload(self, array: np.ndarray, stream: Any = None) -> DeviceArray:
        source = np.ascontiguousarray(array)
        target = self.empty(source.shape, source.dtype)
        ctypes.memmove(target.pointer, source.ctypes.data, source.nbytes)
        return target

    def download(self, array: DeviceArray, stream: Any = None) -> np.ndarray:
        target = np.empty(array.shape, array.dtype)
        ctypes.memmove(target.ctypes.data, array.pointer, array.nbytes)
        return target

    def copy(self, target: DeviceArray, source: DeviceArray, stream: Any = None) -> None:
        ctypes.memmove(target.pointer, source.pointer, source.nbytes)

    def new_stream(self) -> Any:
        return object()  # every call is done when it returns

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        return np.empty(shape, dtype)

    def write(self, target: DeviceArray, source: np.ndarray, stream: Any = None) -> None:
        check_same(target, source)
        ctypes.memmove(target.pointer, np.ascontiguousarray(source).ctypes.data, target.nbytes)

    def read(self, target: np.ndarray, source: DeviceArray, stream: Any = None) -> None:
        check_same(target, source)
        ctypes.memmove(target.ctypes.data, source.pointer, source.nbytes)

    def synchronize(self, stream: Any = None) -> None:
        pass

    def record(self, work: Callable[[], object], stream: Any = None) -> Recording:
        work()
        work()

        def again(stream: Any = None) -> None:
            work()

        return again

    def milliseconds(self, work: Callable[[], object], repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        return (time.perf_counter() - start) * 1e3 / repeats

    def _start(self, source: str, kernel: str, grid: Grid, block: Grid, params: ctypes.Structure, stream: Any) -> None:
        three = ctypes.c_uint * 3
        size = ctypes.c_size_t(ctypes.sizeof(params))
        with _ONE_AT_A_TIME:
            if source not in self._libraries:
                self._libraries[source] = ctypes.CDLL(str(self.library(kernel_source(source))))
            entry = getattr(self._libraries[source], f"{kernel}_on_host")
            status = entry(three(*grid), three(*block), ctypes.byref(params), size)
        if status:
            raise DeviceError(f"{kernel}: {_FAILURES[status]}")

    def library(self, source: KernelSource) -> Path:
        """The shared library of a source, compiled where the cache has none. Raises DeviceError with g++'s words."""
        flags = [*_FLAGS, "-I", str(CUDA_DIR)]
        if self._sanitize:
            flags += [f"-fsanitize={self._sanitize}", "-fno-sanitize-recover=all"]
        headers = "".join(path.read_text(encoding="utf-8") for path in sorted(CUDA_DIR.glob("*.*h")))
        key = hashlib.sha256("\0".join((source.text, headers, *flags)).encode()).hexdigest()[:24]
        path = self._cache_dir / f"{source.name}-host-{key}.so"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(f".{os.getpid()}")
            command = [self._compiler, *flags, "-o", str(temporary), "-"]
            # A sanitizer that this very process has preloaded has no business in the compiler.
            environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
            done = subprocess.run(command, input=source.text, capture_output=True, text=True, env=environment)
            if done.returncode:
                raise DeviceError(f"{source.name}.cu does not compile for the CPU:\n{done.stderr}")
            os.replace(temporary, path)
        return path


class _Memory:
    """One block of the C heap."""

    def __init__(self, device: HostDevice, size: int) -> None:
        self._device, self._size = device, size
        self.pointer = int(device._libc.malloc(size) or 0)
        if not self.pointer:
            raise DeviceMemoryError(f"no memory for {size} bytes")
        device.used += size

    def __del__(self) -> None:
        if getattr(self, "pointer", 0):
            self._device._libc.free(self.pointer)
            self._device.used -= self._size
