"""From pictures to bodies in one network: an encoder with the trunk's heads, and the bilayer network that reads it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from engines.body import load_body
from engines.networks.bilayer.config import PRESETS
from engines.networks.bilayer.network import BilayerNet
from engines.networks.encoders import EncoderPreset, EncoderTrunk
from engines.networks.hourglass import PRESETS as TRUNKS
from engines.networks.hourglass import Trunk


class EncodedBilayer(nn.Module):
    """`trunk`: the encoder; `lifter`: the bilayer network on its features.

    Between them points are decoded as the product does it, without a gradient: the encoder learns of bodies through its
    features at the joints, as in the paper, and of points by their heatmaps.
    """

    def __init__(self, trunk: Trunk | EncoderTrunk, preset: str = "small") -> None:
        """``preset``: of `bilayer.config`."""
        super().__init__()
        self.trunk = trunk
        self.channels = trunk.feature_channels if isinstance(trunk, EncoderTrunk) else trunk.preset.width
        self.lifter = BilayerNet(replace(PRESETS[preset], feature_channels=(self.channels,)), load_body())


def build_encoder(
    name: str, *, width: float = 1.0, input_px: int = 192, batch_norm: bool = True
) -> Trunk | EncoderTrunk:
    """An untrained encoder: "hourglass", the trunk's `small` preset, or one of `engines.networks.encoders`.

    ``width`` and ``batch_norm`` are for the latter. Raises ValueError for a side that the encoder cannot divide.
    """
    if name != "hourglass":
        preset = EncoderPreset(name=name, width=width, input_px=input_px, batch_norm=batch_norm)  # type: ignore[arg-type]
        return EncoderTrunk(preset)
    trunk = TRUNKS["small"]
    if input_px % (8 << trunk.levels):
        raise ValueError(f"input_px is {input_px}, the hourglass needs a multiple of {8 << trunk.levels}")
    return Trunk(replace(trunk, input_px=input_px))
