"""The reconstruction network of Ordinal Depth Supervision: image points and depths in, 3D points out.

Pavlakos, Zhou, Daniilidis, "Ordinal Depth Supervision for 3D Human Pose Estimation" (CVPR 2018), section 3.4; the
bilinear unit is that of Martinez et al. (ICCV 2017): two linear layers, each with batch norm, ReLU and dropout, and a
shortcut around both.

The input is 3N numbers: x and y in [-1, 1], and the depth as (bin - 33) / 32 of 64 bins. Our bins cover +-1 m around
the pelvis, 1/32 m each, so that this is the depth in metres, with any number of bins. Where the paper is silent: x and
y fill the box of the points that are there, and N more inputs hold the points' confidences, without which a point that
is missing could not be told from one in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.keypoints import NUM_COCO, NUM_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructionPreset:
    """Size of a reconstruction network."""

    width: int
    units: int = 2
    dropout: float = 0.0
    """Noise is endless in training: dropping units on top of it costs more than it gives."""
    confidence: bool = True
    """Read the N confidences too."""


PRESETS = {
    "small": ReconstructionPreset(width=512),
    "paper": ReconstructionPreset(width=1024, dropout=0.5, confidence=False),
}


class BilinearUnit(nn.Module):
    """Two linear layers with batch norm, ReLU and dropout, and a shortcut."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def fill_box(points: Tensor) -> Tensor:
    """(B, 41, 5) points as `BilayerNet` reads them -> (B, 41, 2): x, y in the box of the sure ones, [-1, 1] there."""
    xy, confidence = points[..., :2], points[..., 2:3]
    # Half of the best point's confidence: a stranger far away must not set the scale of everybody.
    sure = confidence > 0.5 * confidence.amax(1, keepdim=True)
    low = torch.where(sure, xy, 1e3).amin(1, keepdim=True)
    high = torch.where(sure, xy, -1e3).amax(1, keepdim=True)
    half = ((high - low).amax(-1, keepdim=True) / 2).clamp_min(1e-2)
    return ((xy - (low + high) / 2) / half).clamp(-2, 2) * (confidence > 0)


class ReconstructionNet(nn.Module):
    """See the module; called as `engines.networks.smplr.DenoisingAutoencoder` is."""

    def __init__(self, preset: ReconstructionPreset) -> None:
        super().__init__()
        self.preset = preset
        self.embed = nn.Sequential(
            nn.Linear(NUM_POINTS * (4 if preset.confidence else 3), preset.width),
            nn.BatchNorm1d(preset.width),
            nn.ReLU(),
            nn.Dropout(preset.dropout),
        )
        self.units = nn.Sequential(*(BilinearUnit(preset.width, preset.dropout) for _ in range(preset.units)))
        self.head = nn.Linear(preset.width, NUM_POINTS * 3)

    def forward(self, points: Tensor, camera: Tensor | None = None) -> Tensor:
        """points (B, 41, 5) -> (B, 41, 3) metres relative to the pelvis; the camera is not read."""
        columns = [fill_box(points), points[..., 3:4]]
        if self.preset.confidence:
            columns.append(points[..., 2:3])
        flat = torch.cat(columns, -1).flatten(1)
        cloud = self.head(self.units(self.embed(flat))).float().reshape(-1, NUM_POINTS, 3)
        return cloud - cloud[:, NUM_COCO : NUM_COCO + 1]
