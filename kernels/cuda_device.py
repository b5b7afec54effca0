"""An NVIDIA GPU as a `Device`: cuda.core for programs, streams and memory, the driver's launch for struct parameters.

cuda.core's own launch takes scalars and pointers only; these kernels take one struct by value.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from kernels.compile import compile_cubin
from kernels.device import Device, DeviceArray, DeviceError, DeviceMemoryError, Grid, Recording, check_same
from kernels.dlpack import CUDA as DLPACK_CUDA
from kernels.source import kernel_source


class CudaDevice(Device):
    """GPU ``index``. Work goes to the caller's stream, or to one of its own where the caller names none.

    Raises DeviceError where the packages, the driver or the GPU are missing.
    """

    is_gpu = True

    def __init__(self, index: int = 0) -> None:
        try:
            from cuda.bindings import driver
            from cuda.core import Device as Core
        except ImportError as error:
            raise DeviceError(f"CUDA kernels need cuda-core: pip install 'bodystream[cuda]' ({error})") from error
        try:
            self._core = Core(index)
            self._core.set_current()
            self._stream = self._core.create_stream()
        except Exception as error:  # a missing library, driver or device each raise a type of their own
            raise DeviceError(f"GPU {index} cannot be used: {error}; `bodystream doctor` says what is there") from error
        self._index = index
        major, minor = self._core.compute_capability
        self.arch = f"sm_{major}{minor}"
        self._driver = driver
        self._kernels: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"CudaDevice({self._core.name}, {self.arch})"

    @property
    def name(self) -> str:
        return str(self._core.name)

    @property
    def dlpack_device(self) -> tuple[int, int]:
        return DLPACK_CUDA, self._index

    def new_stream(self) -> Any:
        self._core.set_current()
        return self._core.create_stream()

    def stream(self, stream: Any = None) -> Any:
        """The caller's stream as cuda.core has it; the device's own for None."""
        from cuda.core import Stream

        self._core.set_current()  # contexts belong to threads
        if stream is None:
            return self._stream
        if isinstance(stream, Stream):
            return stream
        if hasattr(stream, "__cuda_stream__"):
            return self._core.create_stream(stream)
        return Stream.from_handle(int(getattr(stream, "cuda_stream", stream)))

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, stream: Any = None) -> DeviceArray:
        kind = np.dtype(dtype)
        size = max(int(np.prod(shape, dtype=np.int64)) * kind.itemsize, 1)
        try:
            buffer = self._core.allocate(size, stream=self.stream(stream))
        except Exception as error:  # cuda.core's own types, per call
            full = "OUT_OF_MEMORY" in str(error).upper().replace(" ", "_")
            raise (DeviceMemoryError if full else DeviceError)(
                f"{self} has no {size / 1e6:.1f} MB for an array {shape}: {error}"
            ) from error
        return DeviceArray(int(buffer.handle), tuple(shape), kind, self, buffer)

    def fill(self, array: DeviceArray, byte: int, stream: Any = None) -> None:
        if array.nbytes:
            self._call("cuMemsetD8Async", array.pointer, byte, array.nbytes, self.stream(stream).handle)

    def upload(self, array: np.ndarray, stream: Any = None) -> DeviceArray:
        source = np.ascontiguousarray(array)
        target = self.empty(source.shape, source.dtype, stream)
        if source.nbytes:
            self._call(
                "cuMemcpyHtoDAsync", target.pointer, source.ctypes.data, source.nbytes, self.stream(stream).handle
            )
        return target

    def download(self, array: DeviceArray, stream: Any = None) -> np.ndarray:
        target = np.empty(array.shape, array.dtype)
        if array.nbytes:
            handle = self.stream(stream).handle
            self._call("cuMemcpyDtoHAsync", target.ctypes.data, array.pointer, array.nbytes, handle)
            self._call("cuStreamSynchronize", handle)
        return target

    def copy(self, target: DeviceArray, source: DeviceArray, stream: Any = None) -> None:
        self._call("cuMemcpyDtoDAsync", target.pointer, source.pointer, source.nbytes, self.stream(stream).handle)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        self._core.set_current()
        kind = np.dtype(dtype)
        memory = _Pinned(self, max(int(np.prod(shape, dtype=np.int64)) * kind.itemsize, 1))
        return np.asarray(memory)[: int(np.prod(shape, dtype=np.int64)) * kind.itemsize].view(kind).reshape(shape)

    def write(self, target: DeviceArray, source: np.ndarray, stream: Any = None) -> None:
        check_same(target, source)
        if target.nbytes:
            source = np.ascontiguousarray(source)
            handle = self.stream(stream).handle
            self._call("cuMemcpyHtoDAsync", target.pointer, source.ctypes.data, source.nbytes, handle)

    def read(self, target: np.ndarray, source: DeviceArray, stream: Any = None) -> None:
        check_same(target, source)
        if source.nbytes:
            handle = self.stream(stream).handle
            self._call("cuMemcpyDtoHAsync", target.ctypes.data, source.pointer, source.nbytes, handle)

    def synchronize(self, stream: Any = None) -> None:
        self._call("cuStreamSynchronize", self.stream(stream).handle)

    def follow_default_stream(self, stream: Any = None) -> None:
        handle = self.stream(stream).handle
        (event,) = self._call("cuEventCreate", self._driver.CUevent_flags.CU_EVENT_DISABLE_TIMING)
        self._call("cuEventRecord", event, self._driver.CU_STREAM_LEGACY)
        self._call("cuStreamWaitEvent", handle, event, 0)
        self._call("cuEventDestroy", event)  # once it has happened

    def record(self, work: Callable[[], object], stream: Any = None) -> Recording:
        own = self.stream(stream)
        work()
        self.synchronize(own)
        # This thread alone must keep away from calls that cannot be recorded; others may allocate meanwhile.
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("cuStreamBeginCapture", own.handle, mode)
        try:
            work()
        finally:
            (graph,) = self._call("cuStreamEndCapture", own.handle)
        try:
            (executable,) = self._call("cuGraphInstantiate", graph, 0)
        finally:
            self._call("cuGraphDestroy", graph)
        return _Graph(self, executable)

    def milliseconds(self, work: Callable[[], object], repeats: int) -> float:
        handle = self.stream().handle
        first, last = (self._call("cuEventCreate", 0)[0] for _ in range(2))
        self._call("cuEventRecord", first, handle)
        for _ in range(repeats):
            work()
        self._call("cuEventRecord", last, handle)
        self._call("cuEventSynchronize", last)
        (elapsed,) = self._call("cuEventElapsedTime", first, last)
        for event in (first, last):
            self._call("cuEventDestroy", event)
        return float(elapsed) / repeats

    def _start(self, source: str, kernel: str, grid: Grid, block: Grid, params: ctypes.Structure, stream: Any) -> None:
        handle = self.stream(stream).handle
        function = self._function(source, kernel, ctypes.sizeof(params))
        # The driver copies the parameters before it returns.
        pointers = (ctypes.c_void_p * 1)(ctypes.addressof(params))
        self._call("cuLaunchKernel", function, *grid, *block, 0, handle, ctypes.addressof(pointers), 0)

    def _function(self, source: str, kernel: str, param_bytes: int) -> Any:
        with self._lock:
            if (source, kernel) not in self._kernels:
                from cuda.core import ObjectCode

                code = ObjectCode.from_cubin(compile_cubin(kernel_source(source), self.arch), name=source)
                loaded = code.get_kernel(kernel)
                (info,) = loaded.arguments_info
                if info.size != param_bytes:
                    raise DeviceError(f"{kernel} takes {info.size} bytes of parameters, the launcher has {param_bytes}")
                self._kernels[source, kernel] = loaded
            return self._driver.CUfunction(int(self._kernels[source, kernel].handle))

    def _call(self, name: str, *arguments: Any) -> list[Any]:
        status, *values = getattr(self._driver, name)(*arguments)
        if status != self._driver.CUresult.CUDA_SUCCESS:
            _, words = self._driver.cuGetErrorString(status)
            raise DeviceError(f"{name} failed on {self}: {words.decode() if words else status}")
        return values


@cache
def first_gpu() -> CudaDevice:
    """GPU 0, one object for the whole process: arrays of two could not meet in one launch. Raises DeviceError."""
    return CudaDevice()


class _Graph:
    """An instantiated CUDA graph."""

    def __init__(self, device: CudaDevice, executable: Any) -> None:
        self._device, self._executable = device, executable

    def __call__(self, stream: Any = None) -> None:
        self._device._call("cuGraphLaunch", self._executable, self._device.stream(stream).handle)

    def __del__(self) -> None:
        self._device._driver.cuGraphExecDestroy(self._executable)


class _Pinned:
    """Page-locked memory of the host, as bytes."""

    def __init__(self, device: CudaDevice, size: int) -> None:
        self._device = device
        (self._pointer,) = device._call("cuMemHostAlloc", size, 0)
        self.__array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (int(self._pointer), False),
            "version": 3,
        }

    def __del__(self) -> None:
        if hasattr(self, "_pointer"):
            self._device._driver.cuMemFreeHost(self._pointer)
