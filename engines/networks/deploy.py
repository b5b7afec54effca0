"""Networks as the stream runs them: uint8 pictures in, what the stream needs out. What is exported to ONNX.

Normalisation and the light decoding are part of the graph, so that one compiled engine does all of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.keypoints import NUM_POINTS
from engines.networks.encoders import EncoderPreset, EncoderTrunk
from engines.networks.hourglass import Trunk, depth_in_place
from engines.networks.locator import LocatorNet


class DeployedTrunk(nn.Module):
    """crops (N, S, S, 3) uint8 RGB -> heatmaps (N, 41, S/4, S/4) probabilities over the picture, depth (N, 41) metres
    relative to the pelvis, parts (N, 16, S/4, S/4) logits, features (N, width, S/8, S/8)."""

    inputs = ("crops",)
    outputs = ("heatmaps", "depth", "parts", "features")

    def __init__(self, trunk: Trunk | EncoderTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.read_maps = ReadMaps()

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        # Not the trunk's own forward: on a processor a quarter of its time went into sorting maps.
        seen = self.trunk.see(crops.float().permute(0, 3, 1, 2))
        heatmaps, depth = self.read_maps(seen.quarters[-1], self.trunk.depth_head(seen.mixed))
        return heatmaps, depth, self.trunk.part_head(seen.mixed), seen.features


class ReadMaps(nn.Module):
    """`Seen.quarters` of a trunk and its logits of depth (B, 41 * bins, S/8, S/8) -> `heatmaps` and `depth` of
    `DeployedTrunk`. A module of its own, which stays in floating point when the others are quantised."""

    def forward(self, quarters: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
        # The sum over the picture needs no order; the four of a cell are spread out at last.
        heatmaps = quarters.reshape(-1, NUM_POINTS, 4 * bins.shape[2] * bins.shape[3]).softmax(-1)
        heatmaps = functional.pixel_shuffle(heatmaps.reshape(-1, *quarters.shape[1:]), 2)
        return heatmaps, depth_in_place(bins, quarters)


KEPT_FLOAT = ("/read_maps/.*",)
"""Names of the nodes of `ReadMaps` in an ONNX file."""


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
