"""int8 for TensorRT by nvidia-modelopt: Q/DQ pairs placed and calibrated in torch, then exported.

    python -m engines.training.quantize_modelopt trunk --preset small --shared ../shared

`engines.runtime.quantize` (NNCF) makes the files that OpenVINO runs, and TensorRT too; modelopt places pairs as
TensorRT fuses them: weights per channel, activations per tensor, signed throughout. Its file,
``<name>.modelopt.int8.onnx``, is what TensorRT takes where it exists.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval

from engines.networks.ship import normed_convolutions, write_graph
from engines.runtime.engine import EngineError, EngineUnavailable
from engines.runtime.sidecar import Sidecar
from engines.runtime.weight_file import read_weights

SAMPLES = 300


def quantize_network(
    network: torch.nn.Module,
    calibration: Iterable[tuple[np.ndarray, ...]],
    names: tuple[list[str], list[str]],
    to: Path,
) -> Path:
    """An ONNX file with int8 Q/DQ around the layers of ``network`` (in evaluation mode; it stays as it is).

    ``calibration``: positional inputs of real pictures, batch 1; ``names``: of the inputs and of the outputs, whose
    first axis is left free. Raises EngineUnavailable without modelopt, EngineError without calibration.
    """
    try:
        import modelopt.torch.quantization as mtq
    except ImportError as error:
        raise EngineUnavailable(f"this needs nvidia-modelopt: pip install 'bodystream[modelopt]' ({error})") from error
    samples = [tuple(map(torch.from_numpy, sample)) for sample in islice(calibration, SAMPLES)]
    if not samples:
        raise EngineError("no calibration samples; pass at least one, better 300 real crops")

    def forward_all(quantised: nn.Module) -> None:
        for sample in samples:
            quantised(*sample)

    inputs, outputs = names
    with torch.no_grad():
        quantised = mtq.quantize(fold_norms(copy.deepcopy(network)), mtq.INT8_DEFAULT_CFG, forward_all)
        write_graph(quantised, dict(zip(inputs, samples[0], strict=True)), outputs, to)
    return to


def fold_norms(network: nn.Module) -> nn.Module:
    """Batch norms that follow a convolution in a `Sequential` become part of it, in place: quantised weights must hold
    them, since behind a Q/DQ pair nothing folds them any more."""
    for block, index, conv, norm in list(normed_convolutions(network)):
        block[index], block[index + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    return network


def quantize_shipped(onnx_path: Path, calibration: Iterable[dict[str, np.ndarray]]) -> Path:
    """`quantize_network` for a network with sidecar and weights; ``calibration`` as for `engines.runtime.quantize`."""
    from engines.networks import build

    sidecar = Sidecar.read(onnx_path)
    network = build(sidecar.network, sidecar.preset)
    network.load_state_dict(read_weights(onnx_path.with_name(sidecar.weights)))
    inputs, outputs = ([spec.name for spec in specs] for specs in (sidecar.inputs, sidecar.outputs))
    samples = (tuple(sample[name] for name in inputs) for sample in calibration)
    target = onnx_path.with_suffix(".modelopt.int8.onnx")
    return quantize_network(network.float().eval(), samples, (inputs, outputs), target)


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    from engines.training.export import WEIGHTS, locator_calibration, trunk_calibration

    parser = argparse.ArgumentParser(prog="python -m engines.training.quantize_modelopt", description=__doc__)
    parser.add_argument("network", choices=("trunk", "locator"))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    arguments = parser.parse_args(argv)
    path = WEIGHTS / f"{arguments.network}-{arguments.preset}.onnx"
    size = Sidecar.read(path).inputs[0].shape[1]
    assert size is not None
    calibration = (
        trunk_calibration(arguments.cache, arguments.shared, size)
        if arguments.network == "trunk"
        else locator_calibration(arguments.shared, size)
    )
    print(quantize_shipped(path, calibration))
    return 0


if __name__ == "__main__":
    sys.exit(main())
