"""The locator: one pass over the whole picture says where people are.

A small fully convolutional detector after Zhou, Wang, Kraehenbuehl: Objects as Points (2019): a heatmap of person
centres and, at every cell, the distances to the four sides of the box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.hourglass import MEAN, STD, Residual, _conv

STRIDE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatorPreset:
    """Widths at strides 2, 4, 8, 16, 32 and the side of the square input."""

    widths: tuple[int, int, int, int, int]
    input_px: int


PRESETS = {
    "small": LocatorPreset(widths=(24, 48, 96, 128, 160), input_px=416),
    "large": LocatorPreset(widths=(32, 96, 160, 224, 288), input_px=512),
}


class LocatorNet(nn.Module):
    """Input (B, 3, S, S) float RGB 0..255, S a multiple of 32, the picture letterboxed onto black.

    Returns scores (B, 1, S/8, S/8) logits and sides (B, 4, S/8, S/8): left, top, right, bottom distances from the
    cell's centre to the box, in pixels of the input, positive.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preset: LocatorPreset) -> None:
        super().__init__()
        self.preset = preset
        w2, w4, w8, w16, w32 = preset.widths
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255, persistent=False)
        self.to_8 = nn.Sequential(_conv(3, w2, 3, 2), Residual(w2, w4, 2), Residual(w4, w8, 2), Residual(w8, w8))
        self.to_16 = nn.Sequential(Residual(w8, w16, 2), Residual(w16, w16), Residual(w16, w16))
        self.to_32 = nn.Sequential(Residual(w16, w32, 2), Residual(w32, w32), Residual(w32, w32))
        self.up_16 = nn.Conv2d(w32, w16, 1)
        self.out_16 = Residual(w16, w16)
        self.up_8 = nn.Conv2d(w16, w8, 1)
        self.out_8 = nn.Sequential(Residual(w8, w8), Residual(w8, w8))
        self.score = nn.Conv2d(w8, 1, 1)
        self.sides = nn.Conv2d(w8, 4, 1)
        nn.init.normal_(self.score.weight, std=1e-3)
        nn.init.constant_(self.score.bias, -4.0)  # type: ignore[arg-type]  # Few cells are people.
        nn.init.normal_(self.sides.weight, std=1e-3)
        nn.init.constant_(self.sides.bias, 3.5)  # type: ignore[arg-type]  # exp(3.5): a person of 66 px.

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        at_8 = self.to_8((pictures - self.mean) / self.std)
        at_16 = self.to_16(at_8)
        at_32 = self.to_32(at_16)
        at_16 = self.out_16(at_16 + functional.interpolate(self.up_16(at_32), scale_factor=2.0, mode="nearest"))
        at_8 = self.out_8(at_8 + functional.interpolate(self.up_8(at_16), scale_factor=2.0, mode="nearest"))
        return self.score(at_8), self.sides(at_8).float().clamp(-2, 7).exp()
