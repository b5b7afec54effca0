"""Other encoders in the trunk's place: VGG and ResNet-50, with the trunk's heads and the trunk's outputs.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition (ICLR 2015), configurations A
and D; He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (CVPR 2016). Neither their fully connected
layers nor any pretrained weights: maps of three strides are merged from coarse to fine (Lin et al., Feature Pyramid
Networks, CVPR 2017), laid beside each other at stride 8, and read by the heads and by the bilayer graphs alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.keypoints import NUM_POINTS, PART_NAMES
from engines.networks.hourglass import MEAN, STD, HeadedTrunk, PixelHead, Seen

EncoderName = Literal["vgg11", "vgg16", "resnet50"]
ENCODERS: tuple[EncoderName, ...] = ("vgg11", "vgg16", "resnet50")
VGG_LAYERS = {"vgg11": (1, 1, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3)}
"""3 x 3 convolutions per stage: configurations A and D."""
VGG_CHANNELS = (64, 128, 256, 512, 512)
RESNET_LAYERS = (3, 4, 6, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPreset:
    """One encoder with its heads."""

    name: EncoderName
    width: float = 1.0
    """Channels of the encoder as a share of the paper's."""
    input_px: int = 192
    batch_norm: bool = True
    """For VGG, which was published without; ResNet-50 always has it."""
    pyramid: int = 64
    """Channels per level of the merged pyramid."""
    depth_bins: int = 16

    def __str__(self) -> str:
        """As a sidecar names it; `read` turns it back."""
        return f"{self.name}:{self.width:g}:{self.input_px}:{'norm' if self.batch_norm else 'plain'}"

    @classmethod
    def read(cls, words: str) -> EncoderPreset:
        """Raises ValueError for words that are no preset's."""
        try:
            name, width, side, norm = words.split(":")
            return cls(
                name=ENCODERS[ENCODERS.index(name)],  # type: ignore[arg-type]
                width=float(width), input_px=int(side), batch_norm=("plain", "norm").index(norm) == 1,
            )  # fmt: skip
        except ValueError:
            raise ValueError(
                f"encoder is {words!r}, it must be NAME:WIDTH:SIDE:norm or :plain, NAME one of {', '.join(ENCODERS)}"
            ) from None


def _unit(inputs: int, outputs: int, size: int, stride: int = 1, *, norm: bool = True) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=not norm)]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU(inplace=True))


class Vgg(nn.Module):
    """Configuration A or D: maps of strides 4, 8 and 16, before pooling."""

    def __init__(self, preset: EncoderPreset) -> None:
        super().__init__()
        widths = [round(c * preset.width) for c in VGG_CHANNELS]
        self.channels = tuple(widths[2:])
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    _unit(before if layer == 0 else after, after, 3, norm=preset.batch_norm)
                    for layer in range(VGG_LAYERS[preset.name][stage])
                )
            )
            for stage, (before, after) in enumerate(zip((3, *widths[:-1]), widths, strict=True))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        found = []
        for level, stage in enumerate(self.stages):
            x = stage(x if level == 0 else functional.max_pool2d(x, 2))
            found.append(x)
        return found[2:]


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 and a shortcut; the last norm starts at zero, so that the block starts as its shortcut."""

    def __init__(self, inputs: int, middle: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * middle
        last = nn.BatchNorm2d(outputs)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            _unit(inputs, middle, 1), _unit(middle, middle, 3, stride), nn.Conv2d(middle, outputs, 1, bias=False), last
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.shortcut(x) + self.body(x))


class ResNet50(nn.Module):
    """Maps of strides 8, 16 and 32."""

    def __init__(self, preset: EncoderPreset) -> None:
        super().__init__()
        middles = [round(64 * 2**stage * preset.width) for stage in range(4)]
        self.channels = tuple(4 * middle for middle in middles[1:])
        inputs = middles[0]
        self.stem = _unit(3, inputs, 7, 2)
        self.stages = nn.ModuleList()
        for stage, (middle, count) in enumerate(zip(middles, RESNET_LAYERS, strict=True)):
            blocks = []
            for block in range(count):
                blocks.append(Bottleneck(inputs, middle, 2 if stage and block == 0 else 1))
                inputs = 4 * middle
            self.stages.append(nn.Sequential(*blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[1:]


class EncoderTrunk(HeadedTrunk):
    """An encoder in the trunk's place. Input (B, 3, S, S) float RGB 0..255, S a multiple of 32, output as the trunk's;
    `features` (B, 3 * pyramid, S/8, S/8) are the merged pyramid. Raises ValueError for other input sides."""

    mean: Tensor
    std: Tensor

    def __init__(self, preset: EncoderPreset) -> None:
        super().__init__()
        if preset.input_px % 32:
            raise ValueError(f"input_px is {preset.input_px}, it must be a multiple of 32, the coarsest stride")
        self.preset = preset
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255, persistent=False)
        self.encoder: Vgg | ResNet50 = ResNet50(preset) if preset.name == "resnet50" else Vgg(preset)
        width = self.feature_channels = 3 * preset.pyramid
        self.lateral = nn.ModuleList(nn.Conv2d(c, preset.pyramid, 1) for c in self.encoder.channels)
        self.mix = _unit(width, width, 3, norm=preset.batch_norm)
        initialise(self, "he")
        self.point_heads = nn.ModuleList([PixelHead(width, NUM_POINTS)])
        self.part_head = PixelHead(width, len(PART_NAMES))
        self.depth_head = nn.Conv2d(width, NUM_POINTS * preset.depth_bins, 1)
        nn.init.normal_(self.depth_head.weight, std=1e-3)
        nn.init.zeros_(self.depth_head.bias)  # type: ignore[arg-type]

    def see(self, crops: Tensor) -> Seen:
        """See `HeadedTrunk.see`."""
        maps = self.encoder((crops - self.mean) / self.std)
        levels = [lateral(x) for lateral, x in zip(self.lateral, maps, strict=True)]
        for fine in (1, 0):
            levels[fine] = levels[fine] + functional.interpolate(levels[fine + 1], scale_factor=2.0, mode="nearest")
        side = crops.shape[-1] // 8
        features = torch.cat([_resized(level, side) for level in levels], 1)
        mixed = self.mix(features)
        return Seen([self.point_heads[0].conv(mixed)], mixed, features)  # type: ignore[list-item,operator,union-attr]


def _resized(x: Tensor, side: int) -> Tensor:
    if x.shape[-1] > side:
        return functional.avg_pool2d(x, x.shape[-1] // side)
    if x.shape[-1] == side:
        return x
    return functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def initialise(net: nn.Module, how: Literal["he", "normal"]) -> None:
    """Convolutions from scratch, biases zero: "he" by their fan-in (He et al., ICCV 2015), "normal" with a variance of
    0.01 for all (Simonyan, Zisserman, section 3.1)."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            if how == "he":
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, std=0.1)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def from_shallow(deep: nn.Module, shallow: dict[str, Tensor]) -> list[str]:
    """Start a deep VGG from the weights of a trained shallow one (section 3.1). Returns the names of what was taken.

    A's first four convolutions are the first of stages 1 and 2 and both of stage 3: they go where they stood. In place
    of the fully connected layers go the layers that read the maps. All else stays as it is. Raises ValueError for other
    encoders, or where widths or norms differ.
    """
    kept = tuple(f"encoder.stages.{stage}.{layer}." for stage, layer in ((0, 0), (1, 0), (2, 0), (2, 1)))
    taken = {k: v for k, v in shallow.items() if k.startswith(kept) or not k.startswith("encoder.")}
    own = deep.state_dict()
    strangers = [name for name, value in taken.items() if name not in own or own[name].shape != value.shape]
    if strangers:
        raise ValueError(f"{strangers[0]} is not alike in both networks; both must be VGGs of one width and norm")
    deep.load_state_dict(taken, strict=False)
    return sorted(taken)
