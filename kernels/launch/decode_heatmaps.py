"""Heatmaps to points on a device; the CPU paths are `kernels.decode_heatmaps` and `kernels.decode_volumes`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.check import check_array
from kernels.decode_heatmaps import MASS_RADIUS, WINDOW_RADIUS
from kernels.device import DeviceArray

MOST_CELLS, MOST_BINS = 64 * 64, 256
"""H * W and D of a volume: its marginals are kept in shared memory."""
_BLOCK = (128, 1, 1)


def decode_heatmaps(
    probability: DeviceArray,
    size_px: float,
    radius: int = WINDOW_RADIUS,
    mass_radius: int = MASS_RADIUS,
    *,
    out: DeviceArray | None = None,
    stream: Any = None,
) -> DeviceArray:
    """Points (B, P, 3) float32 of heatmaps (B, P, H, W) float32, into ``out`` where given."""
    check_array("probability", probability, ("B", "P", "H", "W"), np.float32)
    batch, points, height, width = probability.shape
    _check_extent(probability.shape, radius, mass_radius)
    device = probability.device
    if out is None:
        out = device.empty((batch, points, 3), np.float32, stream)
    check_array("out", out, (batch, points, 3), np.float32)
    device.launch(
        "decode_heatmaps",
        "decode_heatmaps",
        grid=(batch * points, 1, 1),
        block=_BLOCK,
        stream=stream,
        probability=probability,
        points=out,
        pixels_per_column=size_px / width,
        pixels_per_row=size_px / height,
        height=height,
        width=width,
        radius=radius,
        mass_radius=mass_radius,
    )
    return out


def decode_volumes(
    probability: DeviceArray,
    size_px: float,
    radius: int = WINDOW_RADIUS,
    mass_radius: int = MASS_RADIUS,
    *,
    out: DeviceArray | None = None,
    stream: Any = None,
) -> DeviceArray:
    """Points (B, P, 4) float32 of volumes (B, P, D, H, W) float32: H * W at most 4096, D at most 256."""
    check_array("probability", probability, ("B", "P", "D", "H", "W"), np.float32)
    batch, points, depth, height, width = probability.shape
    _check_extent(probability.shape, radius, mass_radius)
    if height * width > MOST_CELLS or depth > MOST_BINS:
        raise ValueError(f"volumes must have H * W <= {MOST_CELLS} and D <= {MOST_BINS}, got {probability.shape}")
    device = probability.device
    if out is None:
        out = device.empty((batch, points, 4), np.float32, stream)
    check_array("out", out, (batch, points, 4), np.float32)
    device.launch(
        "decode_heatmaps",
        "decode_volumes",
        grid=(batch * points, 1, 1),
        block=_BLOCK,
        stream=stream,
        probability=probability,
        points=out,
        pixels_per_column=size_px / width,
        pixels_per_row=size_px / height,
        depth=depth,
        height=height,
        width=width,
        radius=radius,
        mass_radius=mass_radius,
    )
    return out


def _check_extent(shape: tuple[int, ...], radius: int, mass_radius: int) -> None:
    if 0 in shape[2:] or min(radius, mass_radius) < 0:
        raise ValueError(
            f"maps must not be empty and radii not negative, got shape {shape} and radii {radius}, {mass_radius}"
        )
