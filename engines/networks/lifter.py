"""The plain lifter, a baseline: COCO's 17 points in, 12 joints out, nothing of a body or a camera known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engines.keypoints import NUM_COCO
from engines.networks.bilayer.residual_mlp import ResidualMLP

OUTPUTS = 12
"""The limb joints of `engines.metrics.LIMB_JOINTS`."""


def normalise_by_box(points: Tensor) -> Tensor:
    """(B, 17, 3) x, y, confidence -> (B, 51): coordinates in the box of the present points, -1..1, and presence."""
    xy, present = points[..., :2], points[..., 2:3] > 0
    low = torch.where(present, xy, torch.inf).amin(1, keepdim=True)
    high = torch.where(present, xy, -torch.inf).amax(1, keepdim=True)
    half = ((high - low).amax(-1, keepdim=True) / 2).nan_to_num(1.0, 1.0, 1.0).clamp_min(1e-3)
    middle = ((low + high) / 2).nan_to_num(0.0, 0.0, 0.0)
    inside = torch.where(present, (xy - middle) / half, 0.0)
    return torch.cat((inside.flatten(1), present.to(xy.dtype).flatten(1)), 1)


class PlainLifter(nn.Module):
    """Residual MLP, width 768, three blocks."""

    def __init__(self, width: int = 768, blocks: int = 3) -> None:
        super().__init__()
        self.body = ResidualMLP(NUM_COCO * 3, width, blocks)
        self.head = nn.Linear(width, OUTPUTS * 3)

    def forward(self, points: Tensor) -> Tensor:
        """(B, 17 or more, 3 or more) points as `BilayerNet` -> (B, 12, 3) metres relative to the mean of the hips."""
        flat = normalise_by_box(points[:, :NUM_COCO, :3])
        return self.head(self.body(flat)).float().reshape(-1, OUTPUTS, 3)
