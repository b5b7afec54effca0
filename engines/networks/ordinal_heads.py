"""The heads that Ordinal Depth Supervision compares, on the trunk: depth vector, 3N coordinates, volume.

Pavlakos, Zhou, Daniilidis (CVPR 2018), sections 3.2 and 3.3. The product's trunk factorises the volume
(`engines.networks.hourglass`), which is the volumetric head at a fiftieth of its numbers; these are the paper's own.
Coarse to fine: the first hourglass gives heatmaps, which are supervised too, the last one feeds the head.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.keypoints import NUM_POINTS
from engines.networks.hourglass import DEPTH_RANGE_M, Trunk, TrunkPreset

HeadName = Literal["vector", "coordinates", "volume"]
GRID = 5
"""Cells per side to which features are pooled before a fully connected head."""


class OrdinalOutput(NamedTuple):
    """Points of B crops."""

    heatmaps: Tensor
    """(B, 41, h, w) logits of the first hourglass: the intermediate supervision."""
    xy: Tensor
    """(B, 41, 2) crop units, -1..1."""
    depth: Tensor
    """(B, 41) metres relative to the pelvis."""


def cell_centres(count: int, device: torch.device) -> Tensor:
    """(count,) centres of cells that divide -1..1."""
    return (torch.arange(count, device=device) + 0.5) * (2 / count) - 1


def soft_argmax(logits: Tensor) -> Tensor:
    """Heatmap logits (B, P, h, w) -> (B, P, 2) crop units."""
    p = logits.float().flatten(2).softmax(-1).view(logits.shape)
    x = (p.sum(2) * cell_centres(logits.shape[3], logits.device)).sum(-1)
    y = (p.sum(3) * cell_centres(logits.shape[2], logits.device)).sum(-1)
    return torch.stack((x, y), -1)


class VectorHead(nn.Module):
    """Features (B, C, h, w) -> (B, 41 * numbers) by two fully connected layers."""

    def __init__(self, width: int, numbers: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width * GRID**2, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, NUM_POINTS * numbers)
        )
        nn.init.normal_(self.layers[-1].weight, std=1e-3)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool2d(features, GRID)
        return self.layers(pooled.flatten(1)).float().unflatten(1, (NUM_POINTS, -1))


class VolumeHead(nn.Module):
    """Features (B, C, h, w) -> volumes (B, 41, bins, h, w), one softmax over each."""

    def __init__(self, width: int, bins: int) -> None:
        super().__init__()
        self.bins = bins
        self.conv = nn.Conv2d(width, NUM_POINTS * bins, 1)
        nn.init.normal_(self.conv.weight, std=1e-3)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Marginals p(x, y) (B, 41, h, w) and p(z) (B, 41, bins), by sum-pooling."""
        logits = self.conv(features).float()
        volume = logits.unflatten(1, (NUM_POINTS, -1)).flatten(2).softmax(-1)
        volume = volume.view(len(logits), NUM_POINTS, self.bins, *logits.shape[2:])
        return volume.sum(2), volume.sum((3, 4))


class OrdinalHead(nn.Module):
    """One of the three heads on features and heatmaps of an hourglass."""

    def __init__(self, head: HeadName, width: int, bins: int = 64) -> None:
        super().__init__()
        self.head = head
        self.bins = bins
        self.layers: nn.Module = (
            VolumeHead(width, bins) if head == "volume" else VectorHead(width, 1 if head == "vector" else 3)
        )

    def forward(self, features: Tensor, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 41, 2) crop units and (B, 41) metres. The vector has depths alone: its x, y are the heatmaps'."""
        if self.head == "volume":
            flat, deep = self.layers(features)
            depth = (deep * cell_centres(self.bins, deep.device)).sum(-1) * DEPTH_RANGE_M
            return soft_argmax(flat.clamp_min(1e-9).log()), depth
        numbers = self.layers(features)
        xy = soft_argmax(heatmaps) if self.head == "vector" else numbers[..., :2]
        return xy, numbers[..., -1] * DEPTH_RANGE_M


class OrdinalTrunk(nn.Module):
    """The trunk's hourglasses with one of the paper's heads. Input as `Trunk`."""

    def __init__(self, preset: TrunkPreset, head: HeadName, bins: int = 64) -> None:
        super().__init__()
        self.trunk = Trunk(preset)
        self.head = OrdinalHead(head, preset.width, bins)

    def forward(self, crops: Tensor) -> OrdinalOutput:
        seen = self.trunk(crops)
        return OrdinalOutput(seen.heatmaps[0], *self.head(seen.features, seen.heatmaps[-1]))
