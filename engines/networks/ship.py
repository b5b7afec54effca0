"""Ship a network as three files: its weights as safetensors, its graph as ONNX that refers to them, and its sidecar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engines.networks.onnx_halves import store_halves
from engines.networks.shared_weights import refer_to_safetensors
from engines.runtime.engine import TensorSpec
from engines.runtime.sidecar import Sidecar

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
    """Weights ``state`` of ``network`` -> folder/NAME-PRESET.safetensors (float16), .onnx and .json; the ONNX path.

    ``preset``: with which `engines.networks.build` makes the network; files are named by what stands before a colon.
    ``inputs``: an example of each input, with a leading batch axis, in the order of ``forward``. Files are replaced
    whole. ``network`` is left with the halves that were stored, in evaluation mode.
    """
    # Stored halves are what the exported graph computes with, so all files give the same answers.
    halves = {key: (value.half() if value.is_floating_point() else value).contiguous() for key, value in state.items()}
    network.load_state_dict(halves)
    network.eval()
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{preset.partition(':')[0]}"
    path, weights = folder / f"{stem}.onnx", folder / f"{stem}.safetensors"
    save_file(halves, weights.with_suffix(".part"))
    weights.with_suffix(".part").replace(weights)

    part = path.with_suffix(".onnx.part")
    write_graph(network, inputs, outputs, part)
    store_halves(part)
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


def _spec(name: str, tensor: Tensor) -> TensorSpec:
    return TensorSpec(name, (None, *tensor.shape[1:]), np.dtype(str(tensor.dtype).removeprefix("torch.")))
