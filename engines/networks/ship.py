"""Ship a network as three files: its weights as safetensors, its graph as ONNX that refers to them, and its sidecar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engines.networks.shared_weights import refer_to_safetensors
from engines.runtime.engine import TensorSpec
from engines.runtime.onnx_constants import with_small_constants
from engines.runtime.sidecar import Sidecar
from engines.runtime.weight_file import SCALE, decoded, encoded

OPSET = 17


def ship(
    network: nn.Module,
    name: str,
    preset: str,
    state: Mapping[str, Tensor],
    folder: Path,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
) -> Path:
    """Weights ``state`` of ``network`` -> folder/NAME-PRESET.safetensors, .onnx and .json; the ONNX path.

    ``preset``: with which `engines.networks.build` makes the network; files are named by what stands before a colon.
    ``inputs``: an example of each input, with a leading batch axis, in the order of ``forward``. Files are replaced
    whole. ``network`` is left in evaluation mode, with the weights as they were stored (`engines.runtime.weight_file`).
    """
    network.load_state_dict(dict(state))
    network.eval()
    make_gains_positive(network)
    stored = encoded(network.state_dict())
    # What is stored is what the exported graph computes with, so all files give the same answers.
    kept = decoded(stored)
    network.load_state_dict(kept)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{preset.partition(':')[0]}"
    path, weights = folder / f"{stem}.onnx", folder / f"{stem}.safetensors"
    save_file(stored, weights.with_suffix(".part"))
    weights.with_suffix(".part").replace(weights)

    part = path.with_suffix(".onnx.part")
    write_graph(network, inputs, outputs, part)
    codes = {
        kept[key].numpy().tobytes(): (stored[key].numpy(), stored[key + SCALE].numpy())
        for key in kept
        if key + SCALE in stored
    }
    onnx.save(with_small_constants(onnx.load(part), codes), part)
    part.replace(path)
    refer_to_safetensors(path, weights)

    with torch.inference_mode():
        results = network(*inputs.values())
    results = (results,) if isinstance(results, Tensor) else results
    Sidecar(
        network=name,
        preset=preset,
        weights=weights.name,
        inputs=tuple(_spec(key, tensor) for key, tensor in inputs.items()),
        outputs=tuple(_spec(key, tensor) for key, tensor in zip(outputs, results, strict=True)),
    ).write(path)
    return path


def write_graph(network: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path) -> None:
    """The ONNX file of a network as it is in evaluation mode, batch axes free.

    Its constants are the tensors of the state dict, byte for byte: batch norms stay apart from their convolutions.
    """
    names = [*inputs, *outputs]
    torch.onnx.export(
        network, tuple(inputs.values()), str(path), input_names=list(inputs), output_names=list(outputs),
        opset_version=OPSET, dynamo=False, dynamic_axes={name: {0: "N"} for name in names},
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip


def make_gains_positive(network: nn.Module) -> None:
    """Turn the sign of outputs of convolutions whose batch norm, next in their `Sequential`, turns it back: the same
    network. Folding a norm then leaves the codes of the kernel as they are."""
    with torch.no_grad():
        for _, _, conv, norm in normed_convolutions(network):
            if conv.bias is None:
                sign = torch.where(norm.weight < 0, -1.0, 1.0)
                conv.weight.mul_(sign.view(-1, 1, 1, 1))
                norm.weight.mul_(sign)
                norm.get_buffer("running_mean").mul_(sign)


def normed_convolutions(network: nn.Module) -> Iterator[tuple[nn.Sequential, int, nn.Conv2d, nn.BatchNorm2d]]:
    """Every `Sequential`, index of a convolution in it, that convolution and the batch norm that follows it."""
    for block in network.modules():
        if isinstance(block, nn.Sequential):
            for index, (conv, norm) in enumerate(pairwise(block)):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield block, index, conv, norm


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name, (None, *tensor.shape[1:]), np.dtype(str(tensor.dtype).removeprefix("torch.")))
