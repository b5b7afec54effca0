"""Weights on disk: matrices and kernels as int8 codes with one scale per output, everything else as halves.

A file of safetensors holds NAME (int8, output first) beside NAME.scale (float32, one per output); w = codes * scale.
Rounding changes a weight by at most 1/254 of the largest of its output. Batch norms behind a convolution multiply whole
outputs, so the codes stay what they are where a norm is folded into its convolution.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, int8

SCALE = ".scale"
MIN_VALUES = 4096
"""Smaller tensors are not worth the scales."""


def encoded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What is stored of a state dict; whole numbers stay as they are."""
    stored = {}
    for name, value in state.items():
        value = value.detach().contiguous()
        if not value.is_floating_point():
            stored[name] = value
        elif value.ndim < 2 or value.numel() < MIN_VALUES:
            stored[name] = value.half()
        else:
            rows = value.float().flatten(1)
            scale = rows.abs().amax(1).clamp_min(1e-12) / 127
            stored[name] = (rows / scale[:, None]).round().to(int8).view_as(value)
            stored[name + SCALE] = scale
    return stored


def decoded(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of what is stored: halves as they are, codes as float32."""
    return {
        name: value.float() * stored[name + SCALE].view(-1, *[1] * (value.ndim - 1))
        if name + SCALE in stored
        else value
        for name, value in stored.items()
        if not name.endswith(SCALE)
    }


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file of `encoded` weights, or of any others."""
    from safetensors.torch import load_file

    return decoded(load_file(path))
