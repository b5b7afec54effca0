"""TensorRT on an NVIDIA GPU: device buffers for the largest batch are made once; a call copies in, runs, copies out."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from engines.runtime.cuda_device import find_cuda_device
from engines.runtime.engine import Engine, EngineDescription, EngineError, EngineUnavailable, Precision, TensorSpec
from engines.runtime.tensorrt_build import build_engine, import_tensorrt
from engines.runtime.tensorrt_cache import CacheKey, cached_engine, default_cache_dir


class TensorRtEngine(Engine):
    """See `engines.runtime.load_engine`. Batches above the largest compiled one run in chunks."""

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = "auto",
        batches: tuple[int, ...] = (1,),
        cache_dir: Path | None = None,
    ) -> None:
        device = find_cuda_device()
        if device is None:
            raise EngineUnavailable(
                "runtime tensorrt needs an NVIDIA GPU and its driver (libcuda), none was found: install the driver, "
                "and pip install 'bodystream[tensorrt]'; --runtime openvino runs on the CPU"
            )
        trt = import_tensorrt()
        if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.bindings") is None:
            raise EngineUnavailable("runtime tensorrt needs cuda-bindings: pip install 'bodystream[tensorrt]'")
        from cuda.bindings import runtime as cudart

        path = _file_of_precision(path, precision)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        version = f"{trt.__name__} {trt.__version__}"
        key = CacheKey(onnx_sha256=digest, tensorrt=version, gpu=str(device), precision=precision, batches=batches)
        file, plan = cached_engine(
            cache_dir or default_cache_dir(),
            path.stem,
            key,
            lambda: build_engine(path, batches=batches, tf32=precision != "f32"),
        )
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{version} does not load {file}; delete the file and start again")
        self._context = self._engine.create_execution_context()
        self._cuda = cudart
        self._largest = max(batches)
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = {n: self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT for n in names}
        specs = {n: _spec(trt, self._engine, n) for n in names}
        self._stream = self._checked(cudart.cudaStreamCreate())
        self._buffers: dict[str, int] = {}
        for name, spec in specs.items():
            elements = int(np.prod([self._largest if size is None else size for size in spec.shape], dtype=np.int64))
            self._buffers[name] = self._checked(cudart.cudaMalloc(max(elements, 1) * spec.dtype.itemsize))
            self._context.set_tensor_address(name, self._buffers[name])
        super().__init__(
            tuple(spec for name, spec in specs.items() if is_input[name]),
            tuple(spec for name, spec in specs.items() if not is_input[name]),
            EngineDescription(
                runtime="tensorrt",
                version=version,
                device=str(device),
                precision=precision,
                float_precision=precision if precision not in ("auto", "int8") else "as in the file",
                model=path.name,
                sha256=digest,
                threads=0,
            ),
        )

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        free = [spec.name for spec in self.inputs if spec.shape and spec.shape[0] is None]
        count = len(inputs[free[0]]) if free else 1
        parts = [
            self._run({n: a[start : start + self._largest] if n in free else a for n, a in inputs.items()})
            for start in range(0, count, self._largest)
        ]
        if len(parts) == 1:
            return parts[0]
        return {spec.name: np.concatenate([part[spec.name] for part in parts]) for spec in self.outputs}

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        cuda, to_device = self._cuda, self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        held = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        for name, array in held.items():
            if not self._context.set_input_shape(name, array.shape):
                raise EngineError(f"TensorRT refuses shape {array.shape} for input {name}")
            self._checked(
                cuda.cudaMemcpyAsync(self._buffers[name], array.ctypes.data, array.nbytes, to_device, self._stream)
            )
        if not self._context.execute_async_v3(int(self._stream)):
            raise EngineError(f"TensorRT failed to run {self.describe().model}")
        outputs = {}
        for spec in self.outputs:
            array = np.empty(tuple(self._context.get_tensor_shape(spec.name)), spec.dtype)
            outputs[spec.name] = array
            to_host = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
            self._checked(
                cuda.cudaMemcpyAsync(array.ctypes.data, self._buffers[spec.name], array.nbytes, to_host, self._stream)
            )
        self._checked(cuda.cudaStreamSynchronize(self._stream))
        return outputs

    def _checked(self, result: tuple[Any, ...]) -> Any:
        """The value of a CUDA call; raises EngineError with the driver's words where it failed."""
        status, *values = result
        if status != self._cuda.cudaError_t.cudaSuccess:
            words = self._cuda.cudaGetErrorString(status)[1]
            raise EngineError(f"CUDA: {words.decode() if isinstance(words, bytes) else words}")
        return values[0] if values else None

    def _release(self) -> None:
        for pointer in self._buffers.values():
            self._cuda.cudaFree(pointer)
        self._buffers.clear()
        self._cuda.cudaStreamDestroy(self._stream)
        del self._context, self._engine, self._runtime


def _file_of_precision(path: Path, precision: Precision) -> Path:
    """Networks are strongly typed, so another precision is another file: `<name>.f16.onnx` beside `<name>.onnx`."""
    if precision not in ("f16", "bf16"):
        return path
    sibling = path.with_suffix(f".{precision}{path.suffix}")
    if not sibling.is_file():
        raise EngineError(f"precision {precision} needs {sibling}, which does not exist; export it, or use f32 or auto")
    return sibling


def _spec(trt: Any, engine: Any, name: str) -> TensorSpec:
    shape = tuple(None if size == -1 else size for size in engine.get_tensor_shape(name))
    return TensorSpec(name, shape, np.dtype(trt.nptype(engine.get_tensor_dtype(name))))
