"""Write the bilayer network as ONNX for the engines and as safetensors for training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.keypoints import NUM_POINTS
from engines.networks.bilayer.config import PRESETS
from engines.networks.bilayer.network import BilayerNet
from engines.networks.hourglass import PRESETS as TRUNKS
from engines.networks.mirror import mean, mean_placement, mean_rotations, mirrored_map, with_mirror
from engines.networks.ship import ship


class DeployedBilayer(nn.Module):
    """Flat inputs and outputs, the last estimate alone, with the points that place it; the mean of what the network
    says of the points and of their mirror image."""

    def __init__(self, net: BilayerNet, use_mesh: bool = True) -> None:
        super().__init__()
        self.net, self.use_mesh = net, use_mesh

    def forward(self, points: Tensor, camera: Tensor, *features: Tensor) -> tuple[Tensor, ...]:
        maps = tuple(torch.cat((level, mirrored_map(level))) for level in features)
        last = self.net(with_mirror(points), torch.cat((camera, camera)), maps, use_mesh=self.use_mesh)[-1]
        rotations, betas, placement = mean_rotations(last.rotations), mean(last.betas), mean_placement(last.camera)
        turns, joints = self.net.body.chain(rotations, betas)
        return rotations, betas, placement, self.net.body.landmarks(turns, joints, betas), joints


def mesh_is_trained(state: dict[str, Tensor]) -> bool:
    """False while the fusion's link to the skeleton is the zero it started as: then the mesh graph changes nothing."""
    return any(bool(v.any()) for name, v in state.items() if name.endswith("fusion.to_skeleton.weight"))


def build_deployed(preset: str) -> DeployedBilayer:
    """An untrained network as exported. `preset`: a preset's name, and `:C` per feature map of C channels it reads."""
    name, *channels = preset.split(":")
    config = replace(PRESETS[name], feature_channels=tuple(map(int, channels)))
    return DeployedBilayer(BilayerNet(config, load_body()))


def export(
    state: dict[str, Tensor],
    preset: str,
    folder: Path,
    feature_channels: tuple[int, ...] = (),
    crop_px: int = TRUNKS["small"].input_px,
) -> Path:
    """Weights `state` -> folder/bilayer-PRESET.onnx, .safetensors and .json; returns the ONNX path.

    ONNX inputs: points (N, 41, 5), camera (N, 1) and, where the network reads pictures, features, features1, ...
    (N, C, side, side) as a trunk gives them of crops of ``crop_px`` at stride 8; outputs: rotations (N, 24, 3, 3),
    betas (N, 10), placement (N, 3), landmarks (N, 17, 3), joints (N, 24, 3). Meanings in `engines.methods.bilayer`.
    Files are replaced whole.
    """
    full_preset = ":".join((preset, *map(str, feature_channels)))
    deployed = build_deployed(full_preset)
    deployed.use_mesh = mesh_is_trained(state) or deployed.net.config.vertices_head
    side = crop_px // 8
    maps = {f"features{level or ''}": torch.zeros(2, c, side, side) for level, c in enumerate(feature_channels)}
    return ship(
        deployed, "bilayer", full_preset, {f"net.{name}": value for name, value in state.items()}, folder,
        {"points": torch.zeros(2, NUM_POINTS, 5), "camera": torch.zeros(2, 1), **maps},
        ("rotations", "betas", "placement", "landmarks", "joints"),
    )  # fmt: skip
