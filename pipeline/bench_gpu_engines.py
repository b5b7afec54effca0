"""Engines on a GPU: agreement with the reference, time per batch, and the share of what their arithmetic must take."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engines.runtime import EngineError, Precision, Runtime, load_engine
from engines.runtime.device_call import BoundEngine
from engines.runtime.engine import Engine
from engines.runtime.onnx_flops import flops_per_sample
from kernels.device import Device

FOLDER = Path(__file__).parents[1] / "engines" / "weights"
BATCHES = (1, 16, 64)
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "int8")
DEFAULT = ("bilayer", "locator", "trunk")
LEAST_S = 60.0
"""With less time left no further engine is begun."""


@cache
def usable_runtime() -> Runtime:
    """tensorrt where it builds and runs on this GPU, else torch with CUDA graphs, which stands in for speed."""
    try:
        with load_engine(FOLDER / "locator-small.onnx", "tensorrt", "f16") as engine:
            engine(_inputs(engine, 1))
    except EngineError as error:
        print(f"TensorRT does not run here, torch with CUDA graphs stands in: {error}")
        return "torch"
    return "tensorrt"


def engine_speed(dry: bool, left: Callable[[], float], device: Device) -> Iterator[dict[str, Any]]:
    """One row per network, precision and batch; the default method's networks first."""
    floats = sorted(path for path in FOLDER.glob("*.onnx") if ".int8" not in path.name)
    networks = sorted(floats, key=lambda path: not path.name.startswith(DEFAULT))
    runtime: Runtime = "openvino" if dry else usable_runtime()
    batches, precisions = ((1,), ("f32",)) if dry else (BATCHES, PRECISIONS)
    for path in networks[:1] if dry else networks:
        with load_engine(path, "openvino", "f32", threads=1 if dry else 0) as reference:
            inputs = _inputs(reference, 1)
            expected = reference(inputs)
        flops = flops_per_sample(path)
        for precision in precisions:
            if precision == "int8" and (runtime == "torch" or not path.with_suffix(".int8.onnx").is_file()):
                continue
            if left() < LEAST_S:
                raise TimeoutError(f"no time left for {path.name} {precision}")
            with load_engine(path, runtime, precision, threads=1 if dry else 0, batches=batches) as engine:  # type: ignore[arg-type]
                found = engine(inputs)
                worst = max(_difference(found[name], expected[name]) for name in expected)
                for batch in batches:
                    bound = engine.bind(batch, device)
                    elapsed = _milliseconds(bound, device, 1 if dry else 50)
                    floor = batch * flops / matrix_rate(device, precision) / 1e9
                    row = {"network": path.stem, "runtime": runtime, "precision": precision, "batch": batch}
                    row |= {"milliseconds": elapsed, "gigaflop": batch * flops / 1e9, "share_of_floor": floor / elapsed}
                    yield row | {"relative_difference": worst}


def _milliseconds(bound: BoundEngine, device: Device, repeats: int) -> float:
    bound.run()
    device.milliseconds(bound.run, max(repeats // 10, 1))
    return device.milliseconds(bound.run, repeats)


@cache
def matrix_rate(device: Device, precision: Precision) -> float:
    """Teraflop per second of one large product in ``precision``, measured; TF32 for f32 on a GPU, f16 for int8.

    On a GPU torch runs it; NaN without torch. On a CPU numpy does, in float32.
    """
    if not device.is_gpu:
        a = np.ones((512, 512), np.float32)
        start = time.perf_counter()
        a @ a
        return 2 * 512**3 / (time.perf_counter() - start) / 1e12
    try:
        import torch
    except ImportError:
        return float("nan")
    torch.backends.cuda.matmul.allow_tf32 = True
    kinds = {"f32": torch.float32, "bf16": torch.bfloat16}
    side = 8192
    left = torch.randn(side, side, device="cuda").to(kinds.get(precision, torch.float16))
    out = torch.empty_like(left)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    for repeats in (3, 20):
        first.record()
        for _ in range(repeats):
            torch.mm(left, left, out=out)
        last.record()
        last.synchronize()
    return 2 * side**3 * repeats / first.elapsed_time(last) / 1e9


def _inputs(engine: Engine, batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = {}
    for spec in engine.inputs:
        shape = tuple(batch if size is None else size for size in spec.shape)
        pixels = spec.dtype == np.uint8
        inputs[spec.name] = rng.integers(0, 256, shape, np.uint8) if pixels else rng.normal(0, 0.3, shape)
        inputs[spec.name] = inputs[spec.name].astype(spec.dtype)
    return inputs


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest, relative to the output's own range."""
    scale = max(float(np.abs(expected).max()), 1e-6)
    return float(np.abs(found.astype(np.float64) - expected).max()) / scale
