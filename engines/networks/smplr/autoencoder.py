"""SMPLR's denoising autoencoder: noisy 2D or 2.5D points in, clean 3D points relative to the pelvis out.

An encoder narrows to a code, a decoder widens again, and each of its levels receives the encoder's level of the same
width: what is seen well passes by the code, what is missing has to come out of it. The points themselves are the
outermost level: each passes straight to the output as far as a gate of its own trusts it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.keypoints import NUM_COCO, NUM_POINTS
from engines.networks.bilayer.network import METRES_PER_SPREAD
from engines.networks.bilayer.observation import FLAT, observe
from engines.networks.bilayer.residual_mlp import ResidualBlock


class DenoisingAutoencoder(nn.Module):
    """`width` halves twice on the way to the code; one residual block per level and direction."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (width, width // 2, width // 4)
        self.embed = nn.Linear(FLAT, width)
        self.encode = nn.ModuleList(ResidualBlock(w) for w in widths)
        self.narrow = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.widen = nn.ModuleList(nn.Linear(b, a) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(ResidualBlock(w) for w in widths[:-1])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, NUM_POINTS * 4)
        nn.init.normal_(self.head.weight, std=0.005)
        nn.init.zeros_(self.head.bias)

    def forward(self, points: Tensor, camera: Tensor) -> Tensor:
        """points (B, 41, 5) and camera (B, 1) as in `BilayerNet.forward` -> (B, 41, 3) metres in the virtual camera."""
        seen = observe(points, camera)
        x = torch.relu(self.embed(seen.flat))
        levels = []
        for block, narrow in zip(self.encode, [*self.narrow, None], strict=True):
            x = block(x)
            if narrow is not None:
                levels.append(x)
                x = torch.relu(narrow(x))
        for block, widen, level in zip(reversed(self.decode), reversed(self.widen), reversed(levels), strict=True):
            # A plain sum here crashes OpenVINO 2026's compiler for CPUs, which fuses it twice.
            x = block(torch.stack((torch.relu(widen(x)), level)).sum(0))
        answer = self.head(self.norm(x)).float().reshape(-1, NUM_POINTS, 4)
        straight = torch.cat((METRES_PER_SPREAD * seen.xy, points[..., 3:4]), -1)
        cloud = answer[..., :3] + torch.sigmoid(answer[..., 3:]) * straight
        return cloud - cloud[:, NUM_COCO : NUM_COCO + 1]
