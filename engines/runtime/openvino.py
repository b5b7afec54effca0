"""OpenVINO on the CPU.

A network with a free batch is compiled for a few fixed batch sizes, because fixed shapes run faster than dynamic ones
and an unseen batch size then never stops the stream for a compilation: a batch is served in chunks of these sizes. Side
by side, two items of a batch run on half of the threads each, which wait for fewer others at the end of each layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.properties as properties
import openvino.properties.hint as hint

from engines.runtime.batch_chunks import chunks, padded
from engines.runtime.engine import Engine, EngineDescription, EngineError, EngineUnavailable, Precision, TensorSpec
from engines.runtime.fingerprint import fingerprint

_FLOATS = {"f32": ov.Type.f32, "bf16": ov.Type.bf16}
_LANES = 2
"""So many items run side by side, on a share of the threads each."""


class OpenVinoEngine(Engine):
    """See `engines.runtime.load_engine`."""

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = "auto",
        threads: int = 0,
        batches: tuple[int, ...] = (1,),
        side_by_side: bool = False,
        cache_dir: Path | None = None,
    ) -> None:
        core = ov.Core()
        try:
            model = core.read_model(path)
        except RuntimeError as error:
            raise EngineError(f"{path} is not a network OpenVINO can read: {_last_line(error)}") from error
        quantised = any(op.get_type_name() in ("FakeQuantize", "QuantizeLinear") for op in model.get_ops())
        if precision == "int8" and not quantised:
            raise EngineError(f"{path} is not quantised; make an int8 network of it with engines.runtime.quantize")
        native_bf16 = "BF16" in core.get_property("CPU", properties.device.capabilities)
        float_precision = precision if precision in _FLOATS else "bf16" if native_bf16 else "f32"
        if precision == "f16":
            raise EngineUnavailable("precision f16 does not run on the CPU; use f32, bf16, int8 or auto")
        if precision == "bf16" and not native_bf16:
            raise EngineUnavailable("precision bf16 needs a CPU with native bfloat16; use f32, int8 or auto")
        # The precision is always explicit: left alone OpenVINO takes bf16 wherever the CPU has it.
        config: dict[Any, Any] = {
            hint.inference_precision: _FLOATS[float_precision],
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            properties.num_streams: 1,
            # Pinned, every network of the process sits on the same first cores, and waits there while others are free.
            hint.enable_cpu_pinning: False,
            # Weights stored as 8 bits are no reason to round activations to 8 bits too, as it would on CPUs with VNNI:
            # points of float networks were off by up to 2 cm.
            hint.dynamic_quantization_group_size: 0,
        }
        if threads:
            config[properties.inference_num_threads] = threads
        if cache_dir is not None:
            cache_dir.mkdir(parents=True, exist_ok=True)
            config[properties.cache_dir] = str(cache_dir)

        inputs, outputs = _specs(model.inputs), _specs(model.outputs)
        self._free_batch = all(_only_batch_is_free(spec) for spec in inputs + outputs)

        def compiled(size: int, config: dict[Any, Any]) -> ov.CompiledModel:
            variant = model.clone()
            if self._free_batch:
                variant.reshape({spec.name: [size, *spec.shape[1:]] for spec in inputs})
            return core.compile_model(variant, "CPU", config)

        self._requests: dict[int, ov.InferRequest] = {}
        for size in sorted(set(batches), reverse=True) if self._free_batch else (0,):
            network = compiled(size, config)
            self._requests[size] = network.create_infer_request()
        used = network.get_property(properties.inference_num_threads)
        self._lanes: list[ov.InferRequest] = []
        """Requests for one item each that run at the same time."""
        if side_by_side and self._free_batch and used >= _LANES:
            network = compiled(1, config | {properties.num_streams: _LANES, properties.inference_num_threads: used})
            self._lanes = [network.create_infer_request() for _ in range(_LANES)]
        super().__init__(
            inputs,
            outputs,
            EngineDescription(
                runtime="openvino",
                version=ov.get_version(),
                device=core.get_property("CPU", properties.device.full_name).strip(),
                precision="int8" if quantised else float_precision,
                float_precision=float_precision,
                model=path.name,
                sha256=fingerprint(path),
                threads=threads,
            ),
        )

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if not self._free_batch:
            request = self._requests[0]
            request.infer(self._feed(inputs), share_inputs=True)
            return {spec.name: request.get_output_tensor(i).data.copy() for i, spec in enumerate(self.outputs)}
        count = len(next(iter(inputs.values())))
        outputs: dict[str, np.ndarray] = {}
        start = 0
        while self._lanes and count - start >= len(self._lanes):
            # Held until the requests have read them.
            fed = [self._feed(inputs, slice(at, at + 1)) for at in range(start, start + len(self._lanes))]
            for request, item in zip(self._lanes, fed, strict=True):
                request.start_async(item, share_inputs=True)
            for at, request in enumerate(self._lanes, start):
                request.wait()
                self._keep(request, outputs, at, count)
            start += len(self._lanes)
        for size in chunks(count - start, tuple(self._requests)):
            request = self._requests[size]
            rows = {name: padded(values[start : start + size], size) for name, values in inputs.items()}
            request.infer(self._feed(rows), share_inputs=True)
            self._keep(request, outputs, start, count)
            start += size
        return outputs

    def _feed(self, inputs: dict[str, np.ndarray], rows: slice = slice(None)) -> dict[int, np.ndarray]:
        return {index: np.ascontiguousarray(inputs[spec.name][rows]) for index, spec in enumerate(self.inputs)}

    def _keep(self, request: ov.InferRequest, outputs: dict[str, np.ndarray], start: int, count: int) -> None:
        """Copy what a request found to the rows from ``start`` on of outputs with ``count`` rows."""
        for index, spec in enumerate(self.outputs):
            found = request.get_output_tensor(index).data
            if spec.name not in outputs:
                outputs[spec.name] = np.empty((count, *found.shape[1:]), found.dtype)
            outputs[spec.name][start : start + len(found)] = found[: count - start]

    def _release(self) -> None:
        self._requests.clear()
        self._lanes.clear()


def _specs(ports: list[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            _name(port),
            tuple(None if size.is_dynamic else size.get_length() for size in port.get_partial_shape()),
            np.dtype(port.get_element_type().to_dtype()),
        )
        for port in ports
    )


def _name(port: Any) -> str:
    """The ONNX name: a port may carry aliases of folded nodes, its node is called after the original."""
    original = port.get_node().get_friendly_name().removesuffix("/sink_port_0")
    return original if original in port.get_names() else port.get_any_name()


def _only_batch_is_free(spec: TensorSpec) -> bool:
    return bool(spec.shape) and spec.shape[0] is None and None not in spec.shape[1:]


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
