"""Chooses a runtime and loads a network into it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from engines.runtime.cuda_device import CudaDevice, find_cuda_device
from engines.runtime.engine import Engine, EngineError, EngineUnavailable, Precision, Runtime

TENSORRT_MODULES = ("tensorrt", "tensorrt_rtx")
"""Either will do; the first that is installed is taken."""
TENSORRT_BATCHES = (1, 2, 4, 16, 64)
"""Every TensorRT engine has an optimisation profile for each."""


def load_engine(
    onnx_path: str | Path,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    threads: int = 0,
    *,
    batches: Sequence[int] = (1,),
    side_by_side: bool = False,
    cache_dir: str | Path | None = None,
) -> Engine:
    """Loads ``onnx_path`` and compiles it for this machine.

    ``runtime``: auto takes tensorrt where a CUDA GPU and a TensorRT that builds for it are present, else openvino;
    torch is the reference.
    ``precision``: of the floating-point layers; goldens run in f32. ``int8`` takes the quantised network: the file
    itself, or its sibling ``<name>.int8.onnx``. ``auto`` takes that sibling where it exists (it ships only where its
    loss of accuracy was accepted), else the fastest floating point the device has; the torch reference stays in f32.
    ``threads``: CPU threads, 0 for the library's choice.
    ``batches``: batch sizes to compile for where the network leaves the batch free; any batch can then be run, in
    chunks of these sizes. TensorRT always has those of `TENSORRT_BATCHES` too.
    ``side_by_side``: on a CPU, items of a batch run two at a time, on half of the threads each (a sixth less time on
    two cores, and less waiting where others want the cores too); the last of an odd number has all threads. For heavy
    networks that see a few items at a time.
    ``cache_dir``: where compiled engines are kept; None: no cache for OpenVINO, the user's cache for TensorRT.

    Raises EngineUnavailable, naming what to install, where the runtime cannot run here; EngineError for a file that is
    missing or not a network; ValueError for an unknown choice.
    """
    _check_choice("runtime", runtime, get_args(Runtime))
    _check_choice("precision", precision, get_args(Precision))
    if threads < 0:
        raise ValueError(f"threads is {threads}, it must be 0 (the library's choice) or more")
    if not batches or min(batches) < 1:
        raise ValueError(f"batches is {tuple(batches)}, it must hold at least one positive batch size")
    path = Path(onnx_path)
    if not path.is_file():
        raise EngineError(f"network {path} does not exist")
    if runtime == "auto":
        runtime = "tensorrt" if _tensorrt_runs_here() else "openvino"
    sizes = tuple(sorted(set(batches)))
    cache = None if cache_dir is None else Path(cache_dir)

    if runtime == "torch":
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("safetensors") is None:
            raise EngineUnavailable("runtime torch needs PyTorch and safetensors: pip install 'bodystream[torch]'")
        from engines.runtime.torch import TorchEngine

        return TorchEngine(path, precision=precision, threads=threads)
    path, precision = file_and_precision(path, runtime, precision)
    if runtime == "tensorrt":
        from engines.runtime.tensorrt import TensorRtEngine

        # The same few sizes for everybody: then what `bodystream build` made is what a stream finds.
        sizes = tuple(sorted({*sizes, *TENSORRT_BATCHES}))
        return TensorRtEngine(path, precision=precision, batches=sizes, cache_dir=cache)
    if importlib.util.find_spec("openvino") is None:
        raise EngineUnavailable("runtime openvino needs OpenVINO: pip install bodystream")
    from engines.runtime.openvino import OpenVinoEngine

    return OpenVinoEngine(
        path, precision=precision, threads=threads, batches=sizes, side_by_side=side_by_side, cache_dir=cache
    )


def file_and_precision(path: Path, runtime: Runtime, precision: Precision) -> tuple[Path, Precision]:
    """The file that is compiled for ``path`` in ``precision``, and in what: see `load_engine`.

    TensorRT's networks are strongly typed, so that there auto has to become int8 or, without such a file, f16.
    """
    if precision not in ("auto", "int8"):
        return path, precision
    # modelopt's file is laid out for TensorRT's fusions (`engines.training.quantize_modelopt`).
    endings = (".modelopt.int8.onnx", ".int8.onnx") if runtime == "tensorrt" else (".int8.onnx",)
    found = next((sibling for e in endings if (sibling := path.with_suffix(e)).is_file()), None)
    if runtime == "tensorrt" and precision == "auto":
        precision = "int8" if found or ".int8" in path.suffixes else "f16"
    return found or path, precision


def tensorrt_module() -> str | None:
    """Name of the installed TensorRT module, None where there is none."""
    return next((name for name in TENSORRT_MODULES if importlib.util.find_spec(name) is not None), None)


def require_tensorrt() -> tuple[Any, CudaDevice]:
    """A TensorRT module and the GPU for which it builds. Raises EngineUnavailable, naming what is missing and what
    to install; within milliseconds where there is no GPU."""
    gpu = find_cuda_device()
    if gpu is None:
        raise EngineUnavailable(
            "runtime tensorrt needs an NVIDIA GPU and its driver (libcuda), none was found: install the driver, "
            "and pip install 'bodystream[tensorrt]'; --runtime openvino runs on the CPU"
        )
    from engines.runtime.tensorrt_build import builds_for, import_tensorrt

    trt = import_tensorrt()
    if not builds_for(trt, gpu.compute_capability):
        raise EngineUnavailable(
            f"{trt.__name__} {trt.__version__} does not build for {gpu}: install tensorrt from NVIDIA's own index, or "
            "use --runtime torch or openvino"
        )
    return trt, gpu


def _tensorrt_runs_here() -> bool:
    try:
        require_tensorrt()
    except EngineUnavailable:
        return False
    return True


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, it must be one of {', '.join(choices)}")
