"""ONNX -> TensorRT engine, strongly typed: the precision is what the network says, nothing is chosen behind its back.

Works with `tensorrt` and with `tensorrt_rtx`; the latter also builds on a machine without a GPU, given the compute
capability to build for.
"""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from engines.runtime.build_progress import OnProgress, progress_monitor
from engines.runtime.engine import EngineError, EngineUnavailable, Precision
from engines.runtime.load import TENSORRT_MODULES, tensorrt_module
from engines.runtime.onnx_constants import with_float_constants
from engines.runtime.onnx_types import signed_quantisation, to_half

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


def builds_for(trt: Any, compute_capability: tuple[int, int]) -> bool:
    """Does this module know the GPU? TensorRT-RTX lists those it builds for; TensorRT proper knows all of its time."""
    known = getattr(trt, "ComputeCapability", None)
    return known is None or hasattr(known, "SM{}{}".format(*compute_capability))


def build_engine(
    onnx_path: Path,
    *,
    precision: Precision = "auto",
    batches: tuple[int, ...] = (1,),
    tf32: bool = True,
    compute_capability: tuple[int, int] | None = None,
    on_progress: OnProgress | None = None,
) -> bytes:
    """The serialised engine of ``onnx_path``: an optimisation profile up to each of ``batches`` from the one below.

    ``precision``: f16 and bf16 rewrite a float32 network (see `engines.runtime.onnx_types`); else as the file says.
    ``tf32``: whether f32 layers may use TensorFloat-32 (off for goldens).
    ``compute_capability``: (major, minor) to build for without a GPU (TensorRT-RTX only); None: the GPU at hand.
    ``on_progress``: called from the builder's thread.

    Raises EngineError with the parser's or builder's own words.
    """
    trt = import_tensorrt()
    logger = _recording_logger(trt)
    builder = trt.Builder(logger)
    if builder is None:
        raise EngineUnavailable(f"{trt.__name__} {trt.__version__} starts no builder here: {logger.last_error}")
    # TensorRT 11 knows no other networks and has dropped the flag.
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if flag is None else 1 << int(flag))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(typed_network(onnx_path, precision)):
        errors = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise EngineError(f"TensorRT does not take {onnx_path.name}: {errors}")

    config = builder.create_builder_config()
    if not tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # a CUDA graph may not allocate
    if on_progress is not None:
        config.progress_monitor = progress_monitor(trt, on_progress)
    if compute_capability is not None:
        name = "SM{}{}".format(*compute_capability)
        target = getattr(getattr(trt, "ComputeCapability", None), name, None)
        if target is None:
            raise EngineError(f"{trt.__name__} {trt.__version__} cannot build for {name}")
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    for tensor in inputs:
        if -1 in tuple(tensor.shape)[1:]:
            raise EngineError(
                f"input {tensor.name} of {onnx_path.name} has shape {tuple(tensor.shape)}; only the batch may be free"
            )
    free = [tensor for tensor in inputs if tuple(tensor.shape)[:1] == (-1,)]
    for low, high in profile_ranges(batches) if free else ():
        profile = builder.create_optimization_profile()
        for tensor in free:
            profile.set_shape(tensor.name, *((size, *tuple(tensor.shape)[1:]) for size in (low, high, high)))
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"TensorRT cannot build {onnx_path.name}: {logger.last_error}")
    return bytes(plan)


def profile_ranges(batches: tuple[int, ...]) -> list[tuple[int, int]]:
    """The batches (from, to) of each optimisation profile; each is best at its largest."""
    sizes = sorted(set(batches))
    return [(below + 1, size) for below, size in zip([0, *sizes], sizes, strict=False)]


def typed_network(onnx_path: Path, precision: Precision) -> bytes:
    """The ONNX file as TensorRT is to see it. Raises EngineError where it cannot be had in that precision."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise EngineUnavailable("runtime tensorrt needs onnx: pip install 'bodystream[tensorrt]'") from error
    try:
        model = onnx.load(onnx_path)
    except DecodeError as error:
        raise EngineError(f"TensorRT does not take {onnx_path.name}: it is no ONNX file ({error})") from error
    quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    if precision == "int8" and not quantised:
        raise EngineError(
            f"{onnx_path.name} is not quantised; make an int8 network of it with engines.runtime.quantize"
        )
    try:
        if quantised:
            return signed_quantisation(model).SerializeToString()
        if precision in ("f16", "bf16"):
            return to_half(model, precision).SerializeToString()
    except ValueError as error:
        raise EngineError(f"{onnx_path.name}: {error}") from error
    return with_float_constants(model).SerializeToString()


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
