"""TensorRT on an NVIDIA GPU: for each batch size buffers on the device and one CUDA graph over them, made once.

A call from the host copies in, launches the graph and copies out; `Engine.bind` gives the buffers and the graph to
those whose data are on the device already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engines.runtime.batch_chunks import chunks, padded
from engines.runtime.build_progress import shown_in_terminal
from engines.runtime.device_call import BoundEngine, buffers
from engines.runtime.engine import Engine, EngineDescription, EngineError, EngineUnavailable, Precision, TensorSpec
from engines.runtime.fingerprint import fingerprint
from engines.runtime.load import require_tensorrt
from engines.runtime.tensorrt_build import build_engine, profile_ranges
from engines.runtime.tensorrt_cache import CacheKey, cached_engine, default_cache_dir
from kernels.cuda_device import CudaDevice, first_gpu
from kernels.device import Device, DeviceError


class TensorRtEngine(Engine):
    """See `engines.runtime.load_engine`. A batch from the host runs in chunks of the compiled sizes."""

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = "auto",
        batches: tuple[int, ...] = (1,),
        cache_dir: Path | None = None,
    ) -> None:
        trt, found = require_tensorrt()
        try:
            self._device = first_gpu()
        except DeviceError as error:
            raise EngineUnavailable(f"runtime tensorrt: {error}; pip install 'bodystream[tensorrt]'") from error
        digest = fingerprint(path)
        version = f"{trt.__name__} {trt.__version__}"
        key = CacheKey(onnx_sha256=digest, tensorrt=version, gpu=str(found), precision=precision, batches=batches)

        def build() -> bytes:
            with shown_in_terminal(f"{path.name} ({precision}) with {version}") as report:
                tf32 = precision != "f32"
                return build_engine(path, precision=precision, batches=batches, tf32=tf32, on_progress=report)

        file, plan = cached_engine(cache_dir or default_cache_dir(), path.stem, key, build)
        self._trt = trt
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{version} does not load {file}; delete the file and start again")
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = {n: self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT for n in names}
        specs = {n: _spec(trt, self._engine, n) for n in names}
        self._sizes = tuple(sorted(set(batches), reverse=True))
        self._bound: dict[int, BoundEngine] = {}
        super().__init__(
            tuple(spec for name, spec in specs.items() if is_input[name]),
            tuple(spec for name, spec in specs.items() if not is_input[name]),
            EngineDescription(
                runtime="tensorrt",
                version=version,
                device=str(found),
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
        parts, start = [], 0
        for size in chunks(count, self._sizes) if free else (1,):
            rows = {n: padded(a[start : start + size], size) if n in free else a for n, a in inputs.items()}
            parts.append(self._run(size, rows))
            start += size
        if len(parts) == 1 and start == count:
            return parts[0]
        return {spec.name: np.concatenate([part[spec.name] for part in parts])[:count] for spec in self.outputs}

    def _run(self, size: int, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if size not in self._bound:
            self._bound[size] = self._bind(size, self._device)
        bound = self._bound[size]
        for name, array in inputs.items():
            self._device.write(bound.inputs[name], array)
        bound.run()
        return {spec.name: self._device.download(bound.outputs[spec.name]) for spec in self.outputs}

    def _bind(self, batch: int, device: Device) -> BoundEngine:
        if not isinstance(device, CudaDevice):
            raise EngineUnavailable(f"runtime tensorrt runs on a GPU, its buffers cannot be on {device}")
        if batch > max(self._sizes):
            raise EngineError(f"{self.describe().model} was built for batches up to {max(self._sizes)}, not {batch}")
        context = self._new_context()
        if self._engine.num_optimization_profiles > 1:
            index = next(i for i, (low, high) in enumerate(profile_ranges(self._sizes)) if low <= batch <= high)
            if not context.set_optimization_profile_async(index, int(device.stream().handle)):
                raise EngineError(f"TensorRT refuses profile {index} for batch {batch}")
        inputs, outputs = buffers(self.inputs, batch, device), buffers(self.outputs, batch, device)
        for name, array in inputs.items():
            device.fill(array, 0)
            if not context.set_input_shape(name, array.shape):
                raise EngineError(f"TensorRT refuses shape {array.shape} for input {name}")
        for name, array in {**inputs, **outputs}.items():
            context.set_tensor_address(name, array.pointer)

        def enqueue(stream: object = None) -> None:
            if not context.execute_async_v3(int(device.stream(stream).handle)):
                raise EngineError(f"TensorRT failed to run {self.describe().model}")

        capturable = getattr(context, "is_stream_capturable", None)
        if capturable is not None and not capturable(int(device.stream().handle)):
            return BoundEngine(batch, inputs, outputs, enqueue)
        return BoundEngine(batch, inputs, outputs, device.record(enqueue))

    def _new_context(self) -> Any:
        """An execution context. TensorRT-RTX is told to compile for the batch at hand before it runs, not beside it."""
        if not hasattr(self._trt, "DynamicShapesKernelSpecializationStrategy"):
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        config.dynamic_shapes_kernel_specialization_strategy = self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
        return self._engine.create_execution_context(config)

    def _release(self) -> None:
        self._bound.clear()
        del self._engine, self._runtime


def _spec(trt: Any, engine: Any, name: str) -> TensorSpec:
    shape = tuple(None if size == -1 else size for size in engine.get_tensor_shape(name))
    return TensorSpec(name, shape, np.dtype(trt.nptype(engine.get_tensor_dtype(name))))
