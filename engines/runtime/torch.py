"""The reference: the network as trained, in PyTorch, from its safetensors weights and the sidecar of its ONNX file."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from engines.runtime.device_call import BoundEngine, buffers
from engines.runtime.engine import Engine, EngineDescription, EngineError, EngineUnavailable, Precision
from engines.runtime.sidecar import Sidecar
from engines.runtime.weight_file import read_weights
from kernels.cuda_device import CudaDevice
from kernels.device import Device


class TorchEngine(Engine):
    """See `engines.runtime.load_engine`. Runs on the first CUDA device where there is one."""

    def __init__(self, onnx_path: Path, *, precision: Precision = "auto", threads: int = 0) -> None:
        if precision == "int8":
            raise EngineUnavailable("precision int8 does not run in torch; use f32, f16, bf16 or auto (f32)")
        sidecar = Sidecar.read(onnx_path)
        weights = onnx_path.with_name(sidecar.weights)
        if not weights.is_file():
            raise EngineError(f"{weights} is missing; {Sidecar.path_for(onnx_path).name} names it as the weights")
        if threads:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._float = {"f16": torch.float16, "bf16": torch.bfloat16}.get(precision)
        from engines.networks import build

        network = build(sidecar.network, sidecar.preset)
        network.load_state_dict(read_weights(weights))
        self._network: torch.nn.Module | None = network.eval().to(self._device)
        float_precision = precision if self._float else "f32"
        super().__init__(
            sidecar.inputs,
            sidecar.outputs,
            EngineDescription(
                runtime="torch",
                version=torch.__version__,
                device=torch.cuda.get_device_name() if self._device.type == "cuda" else "CPU",
                precision=float_precision,
                float_precision=float_precision,
                model=weights.name,
                sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
                threads=threads,
            ),
        )

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = [np.ascontiguousarray(inputs[spec.name]) for spec in self.inputs]
        result = self._forward([torch.from_numpy(array).to(self._device) for array in arrays])
        return {spec.name: result[spec.name].cpu().numpy().astype(spec.dtype) for spec in self.outputs}

    @torch.inference_mode()
    def _forward(self, tensors: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        assert self._network is not None
        with torch.autocast(self._device.type, dtype=self._float) if self._float else nullcontext():
            result = self._network(*tensors)
        if isinstance(result, torch.Tensor):
            result = (result,)
        if not isinstance(result, dict):
            result = {spec.name: value for spec, value in zip(self.outputs, result, strict=True)}
        return result

    def _bind(self, batch: int, device: Device) -> BoundEngine:
        """The network on the device's own memory, through DLPack; on a GPU recorded as a CUDA graph."""
        if device.is_gpu != (self._device.type == "cuda"):
            raise EngineUnavailable(f"torch runs on {self._device}, its buffers cannot be on {device}")
        inputs, outputs = buffers(self.inputs, batch, device), buffers(self.outputs, batch, device)
        tensors = [torch.from_dlpack(inputs[spec.name]) for spec in self.inputs]
        targets = {name: torch.from_dlpack(array) for name, array in outputs.items()}

        @torch.inference_mode()
        def forward() -> None:
            for name, value in self._forward(tensors).items():
                targets[name].copy_(value)

        if not device.is_gpu:
            return BoundEngine(batch, inputs, outputs, lambda stream=None: forward())
        assert isinstance(device, CudaDevice)
        # torch keeps what the graph allocates in a pool of the graph's own, so torch itself has to record it.
        for array in inputs.values():
            device.fill(array, 0)
        device.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(3):  # cuDNN chooses its algorithms
                forward()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            forward()

        def replay(stream: object = None) -> None:
            with torch.cuda.stream(torch.cuda.ExternalStream(int(device.stream(stream).handle))):
                graph.replay()

        return BoundEngine(batch, inputs, outputs, replay)

    def _release(self) -> None:
        self._network = None
