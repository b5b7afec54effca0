"""The small networks on points, as they are deployed: built by name, written as ONNX and safetensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.keypoints import NUM_COCO, NUM_JOINTS, NUM_POINTS
from engines.networks.onnx_halves import store_halves
from engines.networks.reconstruction import PRESETS as RECONSTRUCTIONS
from engines.networks.reconstruction import ReconstructionNet
from engines.networks.shared_weights import refer_to_safetensors
from engines.networks.smplr import BodyRegressors, DenoisingAutoencoder
from engines.runtime.engine import TensorSpec
from engines.runtime.sidecar import Sidecar

OPSET = 17
AUTOENCODER_WIDTHS = {"small": 448, "large": 1024}
REGRESSOR_WIDTHS = {"small": 512, "large": 1024}
CLOUD = ("cloud", (NUM_POINTS, 3))
INPUTS = {
    "smplr": (("points", (NUM_POINTS, 5)), ("camera", (1,))),
    "ordinal": (("points", (NUM_POINTS, 5)),),
    "regressors": (CLOUD,),
}
OUTPUTS = {
    "smplr": (CLOUD,),
    "ordinal": (CLOUD,),
    "regressors": (
        ("rotations", (NUM_JOINTS, 3, 3)), ("betas", (10,)), ("gender", (1,)), ("landmarks", (NUM_COCO, 3)),
        ("joints", (NUM_JOINTS, 3)),
    ),
}  # fmt: skip
"""Per network its arrays, without the batch axis; meanings in the networks' own modules."""


class DeployedRegressors(nn.Module):
    """Flat outputs."""

    def __init__(self, net: BodyRegressors) -> None:
        super().__init__()
        self.net = net

    def forward(self, cloud: Tensor) -> tuple[Tensor, ...]:
        found = self.net(cloud)
        return found.rotations, found.betas, found.gender, found.landmarks, found.joints


def build_cloud(name: str, preset: str) -> nn.Module:
    """The untrained network from points (B, 41, 5), and camera (B, 1), to a cloud (B, 41, 3)."""
    if name == "ordinal":
        return ReconstructionNet(RECONSTRUCTIONS[preset])
    return DenoisingAutoencoder(AUTOENCODER_WIDTHS[preset])


def build_regressors(preset: str, *, landmarks: bool = True) -> BodyRegressors:
    """The untrained regressors on the shipped body."""
    return BodyRegressors(load_body(), REGRESSOR_WIDTHS[preset], landmarks=landmarks)


def build_deployed(name: str, preset: str) -> nn.Module:
    """An untrained network as exported; `name` is a key of `INPUTS`."""
    return DeployedRegressors(build_regressors(preset)) if name == "regressors" else build_cloud(name, preset)


def export(name: str, preset: str, state: dict[str, Tensor], folder: Path) -> Path:
    """Weights `state` -> folder/NAME-PRESET.onnx, .safetensors (float16) and .json; returns the ONNX path.

    Files are replaced whole.
    """
    from safetensors.torch import save_file

    deployed = build_deployed(name, preset).eval()
    prefix = "net." if name == "regressors" else ""
    # Stored halves are what the exported graph computes with, so both files give the same answers.
    rounded = {
        prefix + key: (value.half() if value.dtype.is_floating_point else value).contiguous()
        for key, value in state.items()
    }
    deployed.load_state_dict(rounded)
    folder.mkdir(parents=True, exist_ok=True)
    weights, path = folder / f"{name}-{preset}.safetensors", folder / f"{name}-{preset}.onnx"
    save_file(rounded, weights.with_suffix(".part"))
    weights.with_suffix(".part").replace(weights)
    names = [entry for entry, _ in (*INPUTS[name], *OUTPUTS[name])]
    part = path.with_suffix(".onnx.part")
    torch.onnx.export(
        deployed,
        tuple(torch.zeros(2, *shape) for _, shape in INPUTS[name]),
        str(part),
        input_names=names[: len(INPUTS[name])],
        output_names=names[len(INPUTS[name]) :],
        opset_version=OPSET,
        dynamo=False,
        dynamic_axes={entry: {0: "N"} for entry in names},
    )
    store_halves(part)
    part.replace(path)
    refer_to_safetensors(path, weights)

    def specs(entries: tuple[tuple[str, tuple[int, ...]], ...]) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(entry, (None, *shape), np.dtype(np.float32)) for entry, shape in entries)

    Sidecar(
        network=name, preset=preset, weights=weights.name, inputs=specs(INPUTS[name]), outputs=specs(OUTPUTS[name])
    ).write(path)
    return path
