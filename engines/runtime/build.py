"""``bodystream build``: compile every shipped network for this machine before the first camera needs it.

With TensorRT the engines land in the user's cache, where every later start finds them. OpenVINO compiles in a second at
every start; here this only proves that each network runs.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from engines.runtime.engine import Engine, EngineError
from engines.runtime.load import load_engine

WEIGHTS = Path(__file__).parents[1] / "weights"


def shipped_networks(folder: Path = WEIGHTS) -> list[Path]:
    """The float ONNX files; their int8 siblings are found by `load_engine`."""
    return sorted(path for path in folder.glob("*.onnx") if path.suffixes == [".onnx"])


def run_once(engine: Engine) -> float:
    """One inference on zeros; milliseconds."""
    inputs = {spec.name: np.zeros([size or 1 for size in spec.shape], spec.dtype) for spec in engine.inputs}
    started = time.perf_counter()
    engine(inputs)
    return (time.perf_counter() - started) * 1e3


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help. Returns 0, or 1 where a network could not be compiled."""
    parser = argparse.ArgumentParser(prog="bodystream build", description=__doc__)
    parser.add_argument("--runtime", choices=("auto", "openvino", "tensorrt", "torch"), default="auto")
    parser.add_argument("--precision", choices=("auto", "int8", "bf16", "f16", "f32"), default="auto")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="batch sizes to compile for")
    arguments = parser.parse_args(argv)
    networks = shipped_networks()
    if not networks:
        print(f"there is no network in {WEIGHTS}; train and export one: python -m engines.training", file=sys.stderr)
        return 1
    failed = 0
    for path in networks:
        print(f"{path.stem:16s} ", end="", flush=True)
        started = time.perf_counter()
        try:
            precision = arguments.precision
            if precision in ("auto", "int8") and not path.with_suffix(".int8.onnx").is_file():
                precision = "f32"  # as the methods load their lifters: see `engines.methods.point_networks`
            with load_engine(path, arguments.runtime, precision, batches=arguments.batches) as engine:
                compiled_s = time.perf_counter() - started
                run_once(engine)
                d = engine.describe()
                took = f"built in {compiled_s:.1f} s, runs in {run_once(engine):.1f} ms"
                print(f"{d.runtime} {d.precision} on {d.device}: {took}")
        except EngineError as error:
            failed += 1
            print(f"failed: {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
