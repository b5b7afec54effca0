"""The small networks on points, as they are deployed: built by name, written as ONNX and safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.keypoints import NUM_POINTS
from engines.networks.mirror import mean, mean_cloud, mean_rotations, with_mirror
from engines.networks.reconstruction import PRESETS as RECONSTRUCTIONS
from engines.networks.reconstruction import ReconstructionNet
from engines.networks.ship import ship
from engines.networks.smplr import BodyRegressors, DenoisingAutoencoder

AUTOENCODER_WIDTHS = {"small": 448, "large": 1024}
REGRESSOR_WIDTHS = {"small": 512, "large": 1024}
POINTS: dict[str, tuple[int, ...]] = {"points": (NUM_POINTS, 5)}
INPUTS: dict[str, dict[str, tuple[int, ...]]] = {
    "smplr": {**POINTS, "camera": (1,)},
    "ordinal": POINTS,
    "regressors": {"cloud": (NUM_POINTS, 3)},
}
OUTPUTS = {
    "smplr": ("cloud",),
    "ordinal": ("cloud",),
    "regressors": ("rotations", "betas", "gender", "landmarks", "joints"),
}
"""Per network its arrays, inputs with their shapes without the batch axis; meanings in the networks' own modules."""


class DeployedAutoencoder(DenoisingAutoencoder):
    """The mean of what it says of the points and of their mirror image."""

    def forward(self, points: Tensor, camera: Tensor) -> Tensor:
        return mean_cloud(super().forward(with_mirror(points), torch.cat((camera, camera))))


class DeployedReconstruction(ReconstructionNet):
    """Likewise."""

    def forward(self, points: Tensor, camera: Tensor | None = None) -> Tensor:
        return mean_cloud(super().forward(with_mirror(points)))


class DeployedRegressors(nn.Module):
    """Likewise, with flat outputs."""

    def __init__(self, net: BodyRegressors) -> None:
        super().__init__()
        self.net = net

    def forward(self, cloud: Tensor) -> tuple[Tensor, ...]:
        found, body = self.net(with_mirror(cloud)), self.net.kinematics
        rotations, betas = mean_rotations(found.rotations), mean(found.betas)
        turns, joints = body.chain(rotations, betas)
        return rotations, betas, mean(found.gender), body.landmarks(turns, joints, betas), joints


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
    if name == "regressors":
        return DeployedRegressors(build_regressors(preset))
    if name == "ordinal":
        return DeployedReconstruction(RECONSTRUCTIONS[preset])
    return DeployedAutoencoder(AUTOENCODER_WIDTHS[preset])


def export(name: str, preset: str, state: dict[str, Tensor], folder: Path) -> Path:
    """Weights `state` -> folder/NAME-PRESET.onnx, .safetensors and .json; returns the ONNX path.

    Files are replaced whole.
    """
    prefix = "net." if name == "regressors" else ""
    return ship(
        build_deployed(name, preset), name, preset, {prefix + key: value for key, value in state.items()}, folder,
        {entry: torch.zeros(2, *shape) for entry, shape in INPUTS[name].items()}, OUTPUTS[name],
    )  # fmt: skip
