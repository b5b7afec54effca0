"""The trunk: a stacked hourglass with heads for 41 points, 15 body parts and depth.

After Newell, Yang, Deng: Stacked Hourglass Networks for Human Pose Estimation (ECCV 2016). Differences, all for speed
on CPUs: the hourglass works at stride 8 and its heads reach stride 4 by sub-pixel shuffling, where the paper works at
stride 4; the blocks are plain two-convolution residuals.

Depth follows the volumetric head of Pavlakos, Zhou, Daniilidis: Ordinal Depth Supervision for 3D Human Pose
Estimation (CVPR 2018), factorised as p(x, y, z) = p(x, y) p(z | x, y): the heatmap gives the first factor, the depth
head the second, and p(z) is their product summed over the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.keypoints import NUM_POINTS, PART_NAMES

DEPTH_RANGE_M = 1.0
"""Depth bins cover +-1 m around the pelvis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkPreset:
    """Size of a trunk."""

    stacks: int
    width: int
    """Channels of the hourglass at every scale."""
    levels: int
    """Halvings inside an hourglass."""
    stem_width: int
    depth_bins: int
    input_px: int
    """Side of the square crop at run time."""


PRESETS = {
    "small": TrunkPreset(stacks=2, width=128, levels=3, stem_width=32, depth_bins=16, input_px=256),
    "large": TrunkPreset(stacks=4, width=256, levels=4, stem_width=64, depth_bins=64, input_px=256),
}

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class TrunkOutput(NamedTuple):
    """What the trunk says about B crops of side S."""

    heatmaps: list[Tensor]
    """Per stack (B, 41, S/4, S/4) logits; softmax over the picture gives p(x, y)."""
    parts: Tensor
    """(B, 16, S/4, S/4) logits, class 0 the background."""
    depth: Tensor
    """(B, 41, bins) logits of p(z), z relative to the pelvis; of the rows that were asked for."""
    features: Tensor
    """(B, width, S/8, S/8) of the last stack."""


class Seen(NamedTuple):
    """What a trunk's heads are made of."""

    quarters: list[Tensor]
    """Per stack (B, 41 * 4, S/8, S/8): the heatmap logits, of each 2 x 2 cells four channels."""
    mixed: Tensor
    """What the other heads read."""
    features: Tensor
    """`TrunkOutput.features`."""


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut; the last norm starts at zero so that the block starts as its shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, bottleneck: int = 2) -> None:
        super().__init__()
        middle = max(outputs // bottleneck, 16)
        last_norm = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last_norm.weight)
        self.body = nn.Sequential(
            _conv(inputs, middle, 3, stride), nn.Conv2d(middle, outputs, 3, padding=1, bias=False), last_norm
        )
        if inputs == outputs and stride == 1:
            self.shortcut: nn.Module = nn.Identity()
        else:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.shortcut(x) + self.body(x))


class Hourglass(nn.Module):
    """Down through ``levels`` halvings and up again, with a skip connection at each."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.skip = Residual(width, width)
        self.down = Residual(width, width, stride=2)
        self.inner: nn.Module = Hourglass(levels - 1, width) if levels > 1 else Residual(width, width)
        self.up = Residual(width, width)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(x)))
        return self.skip(x) + functional.interpolate(low, size=x.shape[-2:], mode="nearest")


class PixelHead(nn.Module):
    """1x1 convolution to ``channels`` maps at twice the resolution; starts near zero."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, channels * 4, 1)
        nn.init.normal_(self.conv.weight, std=1e-3)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.conv(x), 2)


class HeadedTrunk(nn.Module):
    """What all trunks share: the heads on top of what they see."""

    part_head: PixelHead
    depth_head: nn.Conv2d

    def forward(self, crops: Tensor, depth_rows: Tensor | None = None) -> TrunkOutput:
        """``depth_rows`` (B,) bool: the crops whose depth is wanted; None: all."""
        seen = self.see(crops)
        heatmaps = [functional.pixel_shuffle(quarters, 2) for quarters in seen.quarters]
        deep, where = seen.mixed, heatmaps[-1]
        if depth_rows is not None:
            deep, where = deep[depth_rows], where[depth_rows]
        parts = self.part_head(seen.mixed)
        return TrunkOutput(heatmaps, parts, depth_where(self.depth_head(deep), where), seen.features)

    def see(self, crops: Tensor) -> Seen:
        """All but the heads at the end."""
        raise NotImplementedError


class Trunk(HeadedTrunk):
    """Stacked hourglass with all heads. Input (B, 3, S, S) float RGB 0..255, S a multiple of 8 * 2**levels."""

    mean: Tensor
    std: Tensor

    def __init__(self, preset: TrunkPreset) -> None:
        super().__init__()
        self.preset = preset
        stem, width = preset.stem_width, preset.width
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255, persistent=False)
        self.stem = nn.Sequential(
            _conv(3, stem, 3, 2),
            Residual(stem, stem * 2, stride=2),
            Residual(stem * 2, width, stride=2),
            Residual(width, width),
        )
        self.hourglasses = nn.ModuleList(Hourglass(preset.levels, width) for _ in range(preset.stacks))
        self.refine = nn.ModuleList(
            nn.Sequential(Residual(width, width), _conv(width, width, 1)) for _ in range(preset.stacks)
        )
        self.point_heads = nn.ModuleList(PixelHead(width, NUM_POINTS) for _ in range(preset.stacks))
        self.feature_back = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(preset.stacks - 1))
        self.points_back = nn.ModuleList(nn.Conv2d(NUM_POINTS * 4, width, 1) for _ in range(preset.stacks - 1))
        self.part_head = PixelHead(width, len(PART_NAMES))
        self.depth_head = nn.Conv2d(width, NUM_POINTS * preset.depth_bins, 1)
        nn.init.normal_(self.depth_head.weight, std=1e-3)
        nn.init.zeros_(self.depth_head.bias)  # type: ignore[arg-type]

    def see(self, crops: Tensor) -> Seen:
        """See `HeadedTrunk.see`."""
        x = self.stem((crops - self.mean) / self.std)
        every: list[Tensor] = []
        features = x
        for stack in range(self.preset.stacks):
            features = self.refine[stack](self.hourglasses[stack](x))
            every.append(self.point_heads[stack].conv(features))  # type: ignore[operator,union-attr]
            if stack + 1 < self.preset.stacks:
                # Logits are unbounded; tanh keeps one stack's certainty from swamping the next one's features.
                x = x + self.feature_back[stack](features) + self.points_back[stack](torch.tanh(every[-1] / 4))
        return Seen(every, features, features)


def depth_where(bins: Tensor, heatmap: Tensor) -> Tensor:
    """p(z | x, y) as logits (B, 41 * bins, h, w), heatmap logits (B, 41, 2 h, 2 w) -> p(z) as logits (B, 41, bins)."""
    # Average, not sum: the softmax that follows is then over cells of the depth grid.
    coarse = functional.avg_pool2d(heatmap, 2).flatten(2)
    where = coarse.float().softmax(-1).detach()
    given_where = bins.float().flatten(2).unflatten(1, (heatmap.shape[1], -1)).softmax(2)
    return (given_where * where.unsqueeze(2)).sum(-1).clamp_min(1e-6).log()


def depth_in_place(bins: Tensor, quarters: Tensor, points: int = NUM_POINTS) -> Tensor:
    """`expected_depth(depth_where(...))` (B, 41) metres, of `Seen.quarters`, in the order in which a runtime that keeps
    channels innermost has its numbers: without sorting them first."""
    channels, cells = bins.shape[1], bins.shape[2] * bins.shape[3]
    depths = channels // points
    where = quarters.reshape(-1, points, 4, cells).mean(2).softmax(-1)
    # No logit comes near the limit, where float32 has still room for the sum.
    mass = bins.permute(0, 2, 3, 1).reshape(-1, cells * points, depths).clamp(-40, 40).exp()
    sums = torch.stack((bin_centres(depths, bins.device), torch.ones(depths, device=bins.device)), 1)
    both = mass @ sums
    given_where = (both[..., 0] / both[..., 1]).reshape(-1, cells, points)
    # The diagonal of a product: cheaper than turning one of its factors.
    return ((where @ given_where) * torch.eye(points, device=bins.device)).sum(-1)


def bin_centres(bins: int, device: torch.device) -> Tensor:
    """(bins,) metres relative to the pelvis."""
    step = 2 * DEPTH_RANGE_M / bins
    return torch.tensor([(i + 0.5) * step - DEPTH_RANGE_M for i in range(bins)], device=device)


def expected_depth(depth_logits: Tensor) -> Tensor:
    """(B, P, bins) logits -> (B, P) metres relative to the pelvis: the soft-argmax over bin centres."""
    centres = bin_centres(depth_logits.shape[-1], depth_logits.device)
    return (depth_logits.float().softmax(-1) * centres).sum(-1)
