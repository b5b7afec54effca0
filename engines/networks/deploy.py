"""Networks as the stream runs them: uint8 pictures in, what the stream needs out. What is exported to ONNX.

Normalisation and the light decoding are part of the graph, so that one compiled engine does all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.networks.encoders import EncoderPreset, EncoderTrunk
from engines.networks.hourglass import Trunk, expected_depth
from engines.networks.locator import LocatorNet


class DeployedTrunk(nn.Module):
    """crops (N, S, S, 3) uint8 RGB -> heatmaps (N, 41, S/4, S/4) probabilities over the picture, depth (N, 41) metres
    relative to the pelvis, parts (N, 16, S/4, S/4) logits, features (N, width, S/8, S/8)."""

    inputs = ("crops",)
    outputs = ("heatmaps", "depth", "parts", "features")

    def __init__(self, trunk: Trunk | EncoderTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.cells = trunk.preset.input_px // 4

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        output = self.trunk(crops.float().permute(0, 3, 1, 2))
        logits = output.heatmaps[-1]
        heatmaps = logits.flatten(2).softmax(-1).unflatten(-1, (self.cells, self.cells))
        return heatmaps, expected_depth(output.depth), output.parts, output.features


class DeployedLocator(nn.Module):
    """picture (N, S, S, 3) uint8 RGB, letterboxed -> scores (N, 1, S/8, S/8) logits, sides (N, 4, S/8, S/8) px."""

    inputs = ("picture",)
    outputs = ("scores", "sides")

    def __init__(self, net: LocatorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        scores, sides = self.net(picture.float().permute(0, 3, 1, 2))
        return scores, sides


def build_trunk(preset: str) -> DeployedTrunk:
    """An untrained trunk of a preset of `engines.networks.hourglass`, or of `engines.networks.encoders`."""
    from engines.networks.hourglass import PRESETS

    if ":" in preset:
        return DeployedTrunk(EncoderTrunk(EncoderPreset.read(preset)))
    return DeployedTrunk(Trunk(PRESETS[preset]))


def build_locator(preset: str) -> DeployedLocator:
    """An untrained locator of a preset of `engines.networks.locator`."""
    from engines.networks.locator import PRESETS

    return DeployedLocator(LocatorNet(PRESETS[preset]))


def example_input(name: str, preset: str) -> Tensor:
    """One picture of the size that the network is exported with."""
    from engines.networks.hourglass import PRESETS as TRUNKS
    from engines.networks.locator import PRESETS as LOCATORS

    side = TRUNKS[preset].input_px if name == "trunk" else LOCATORS[preset].input_px
    return torch.zeros(1, side, side, 3, dtype=torch.uint8)
