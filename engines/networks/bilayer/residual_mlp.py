"""Residual MLP over all points: the cheap part that knows how people stand before cameras."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x + W2 relu(W1 norm(x)); W2 starts at zero, so that a deep stack starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(self.norm(x))))


class ResidualMLP(nn.Module):
    """(B, inputs) -> (B, width)."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
