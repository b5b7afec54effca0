"""ONNX -> TensorRT engine, strongly typed: the precision is what the ONNX file says, nothing is chosen behind its back.

Works with `tensorrt` and with `tensorrt_rtx`; the latter also builds on a machine without a GPU, given the compute
capability to build for.
"""

from __future__ import annotations

import importlib
import logging
import time
from pathlib import Path
from typing import Any

from engines.runtime.engine import EngineError, EngineUnavailable
from engines.runtime.load import TENSORRT_MODULES, tensorrt_module

log = logging.getLogger(__name__)


def import_tensorrt() -> Any:
    """The TensorRT module. Raises EngineUnavailable, naming what to install."""
    name = tensorrt_module()
    if name is None:
        raise EngineUnavailable(
            f"runtime tensorrt needs one of the modules {', '.join(TENSORRT_MODULES)}: "
            "pip install 'bodystream[tensorrt]'; --runtime openvino runs on the CPU"
        )
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:
        raise EngineUnavailable(f"{name} is installed but does not load: {error}") from error


def build_engine(
    onnx_path: Path,
    *,
    batches: tuple[int, ...] = (1,),
    tf32: bool = True,
    compute_capability: tuple[int, int] | None = None,
) -> bytes:
    """The serialised engine of ``onnx_path``, for batches from 1 to the largest of ``batches``, best at the smallest.

    ``tf32``: whether f32 layers may use TensorFloat-32 (off for goldens).
    ``compute_capability``: (major, minor) to build for without a GPU (TensorRT-RTX only); None: the GPU at hand.

    Raises EngineError with the parser's or builder's own words.
    """
    trt = import_tensorrt()
    logger = _recording_logger(trt)
    builder = trt.Builder(logger)
    if builder is None:
        raise EngineUnavailable(f"{trt.__name__} {trt.__version__} starts no builder here: {logger.last_error}")
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_path)):
        errors = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise EngineError(f"TensorRT does not take {onnx_path.name}: {errors}")

    config = builder.create_builder_config()
    if not tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if compute_capability is not None:
        name = "SM{}{}".format(*compute_capability)
        target = getattr(getattr(trt, "ComputeCapability", None), name, None)
        if target is None:
            raise EngineError(f"{trt.__name__} {trt.__version__} cannot build for {name}")
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    profile = builder.create_optimization_profile()
    dynamic = False
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        shape = tuple(tensor.shape)
        if -1 in shape[1:]:
            raise EngineError(f"input {tensor.name} of {onnx_path.name} has shape {shape}; only the batch may be free")
        if shape and shape[0] == -1:
            dynamic = True
            profile.set_shape(tensor.name, *((size, *shape[1:]) for size in (1, min(batches), max(batches))))
    if dynamic:
        config.add_optimization_profile(profile)

    log.info("building %s with %s %s; this happens once per GPU", onnx_path.name, trt.__name__, trt.__version__)
    start = time.monotonic()
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"TensorRT cannot build {onnx_path.name}: {logger.last_error}")
    log.info("built %s in %.1f s", onnx_path.name, time.monotonic() - start)
    return bytes(plan)


def _recording_logger(trt: Any) -> Any:
    """A TensorRT logger that keeps the last error, for our own message."""

    class Recorder(trt.ILogger):
        def __init__(self) -> None:
            super().__init__()
            self.last_error = "no reason given"

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.last_error = message
            elif severity == trt.ILogger.Severity.WARNING:
                log.debug("%s", message)

    return Recorder()
