"""BodyNet's shape network: picture, 2D pose, parts and 3D pose of a crop -> occupancy of the body around its root.

After Varol, Ceylan, Russell, Yang, Yumer, Laptev, Schmid: BodyNet: Volumetric Inference of 3D Human Body Shapes (ECCV
2018), section 3.2: an hourglass whose output channels are the depth of the grid. Here one hourglass at half the grid's
resolution; a sub-pixel shuffle makes the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.keypoints import NUM_POINTS, PART_NAMES
from engines.networks.hourglass import MEAN, STD, Hourglass, PixelHead, Residual

MAPS = NUM_POINTS + len(PART_NAMES)
DEPTH_CHANNELS = 19
"""Of the 3D pose, per point (BodyNet, section 3.1)."""
COARSE_PARTS: tuple[int, ...] = (0, 1, 2, 3, 4, 3, 4, 3, 4, 5, 6, 5, 6, 5, 6, 2)
"""Class of a part in the multi-class variant: background, head, torso, left and right arm, left and right leg."""
_EMPTY_LOGIT = -4.0
"""Where the output starts: two voxels in a hundred are occupied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyNetPreset:
    """Size of a shape network."""

    grid: int
    """Cells along each axis."""
    width: int
    levels: int
    input_px: int
    """Side of the trunk's crop: the picture it reads."""
    classes: int = 1
    """1: occupied or not; more: background and parts of the body, see `COARSE_PARTS`."""


PRESETS = {
    "small": BodyNetPreset(grid=64, width=64, levels=3, input_px=160),
    "small-parts": BodyNetPreset(grid=64, width=64, levels=3, input_px=160, classes=7),
    "large": BodyNetPreset(grid=128, width=256, levels=4, input_px=256),
}


class BodyNet(nn.Module):
    """crops (N, 3, S, S) float RGB 0..255, maps (N, 57, S/4, S/4) of `evidence_maps`, depth (N, 41) grid units ->
    logits (N, G, G, G), axes depth, height, width; (N, classes, G, G, G) in the multi-class variant."""

    mean: Tensor
    std: Tensor
    bins: Tensor

    def __init__(self, preset: BodyNetPreset) -> None:
        super().__init__()
        self.preset = preset
        width, self.side = preset.width, preset.grid // 2
        stride, rest = divmod(preset.input_px, self.side)
        if rest or self.side % 2**preset.levels:
            raise ValueError(
                f"grid is {preset.grid}, half of it must divide input_px {preset.input_px} and be a multiple of "
                f"{2**preset.levels} for {preset.levels} levels"
            )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("bins", torch.linspace(-1, 1, DEPTH_CHANNELS), persistent=False)
        self.picture = nn.Conv2d(3, width, stride + 2, stride, padding=1, bias=False)
        self.maps = nn.Conv2d(MAPS, width, 1, bias=False)
        self.pose = nn.Parameter(torch.randn(width, NUM_POINTS, DEPTH_CHANNELS) / math.sqrt(NUM_POINTS))
        self.norm = nn.BatchNorm2d(width)
        self.body = nn.Sequential(Hourglass(preset.levels, width), Residual(width, width))
        self.head = PixelHead(width, preset.grid * preset.classes)
        bias = self.head.conv.bias
        assert bias is not None
        with torch.no_grad():
            # Multi-class: the classes of a cell are neighbours, background first.
            bias.view(preset.grid, preset.classes, 4)[:, 0] = _EMPTY_LOGIT if preset.classes == 1 else -_EMPTY_LOGIT

    def forward(self, crops: Tensor, maps: Tensor, depth: Tensor) -> Tensor:
        near = functional.interpolate(maps, size=(self.side, self.side), mode="bilinear", align_corners=False)
        x = self.picture((crops - self.mean) / self.std) + self.maps(near) + self._pose(near, depth)
        logits = self.head(self.body(functional.relu(self.norm(x))))
        # The shuffle's four sub-pixels have weights of their own: a mean of neighbours takes their checkerboard out.
        logits = functional.avg_pool2d(logits, 3, 1, 1, count_include_pad=False)
        if self.preset.classes == 1:
            return logits
        return logits.unflatten(1, (self.preset.grid, self.preset.classes)).transpose(1, 2)

    def _pose(self, near: Tensor, depth: Tensor) -> Tensor:
        # 1x1 convolution over N x 19 channels heatmap(x, y) * bump(depth): a product of both, so never laid out.
        step = 2 / (DEPTH_CHANNELS - 1)
        bump = torch.exp(-((depth.unsqueeze(-1) - self.bins) ** 2) / (2 * step**2))
        mix = torch.einsum("ojd,njd->noj", self.pose, bump)
        points = near[:, :NUM_POINTS].flatten(2)
        return (mix.to(points.dtype) @ points).unflatten(2, (self.side, self.side))


def evidence_maps(heatmaps: Tensor, parts: Tensor) -> Tensor:
    """Trunk outputs (N, 41, h, w) probabilities and (N, 16, h, w) logits -> (N, 57, h, w), 0..1, of alike size.

    The root of a heatmap: a spread one, of a point that is not sure, is still seen.
    """
    return torch.cat(((heatmaps + 1e-6).sqrt(), parts.softmax(1)), 1)


class DeployedBodyNet(nn.Module):
    """As the stream runs it: crops (N, S, S, 3) uint8, heatmaps and parts as the trunk gives them, depth (N, 41)
    grid units -> occupancy (N, G, G, G) probabilities; classes (N, C, G, G, G) in the multi-class variant."""

    inputs = ("crops", "heatmaps", "parts", "depth")

    def __init__(self, net: BodyNet) -> None:
        super().__init__()
        self.net = net
        self.outputs = ("occupancy",) if net.preset.classes == 1 else ("classes",)

    def forward(self, crops: Tensor, heatmaps: Tensor, parts: Tensor, depth: Tensor) -> Tensor:
        logits = self.net(crops.float().permute(0, 3, 1, 2), evidence_maps(heatmaps, parts), depth)
        return logits.sigmoid() if self.net.preset.classes == 1 else logits.softmax(1)


def build_bodynet(preset: str) -> DeployedBodyNet:
    """An untrained network as exported."""
    return DeployedBodyNet(BodyNet(PRESETS[preset]))
