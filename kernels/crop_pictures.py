"""Affine crops of several pictures, RGB or NV12, anti-aliased and normalised. CPU path of the kernel that reads video
frames where the decoder left them.

A crop pixel averages n x n bilinear samples spread evenly over it, n being the number of picture pixels it spans.
Outside the picture is black. Points are corner-based, as in `kernels.crop_normalize`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

MOST_TAPS = 16
"""Samples along one side of a crop pixel; a picture shrunk more than 16 times aliases."""

CropType = Literal["uint8", "float16", "float32"]

YUV_TO_RGB = {
    # Coefficients of BT.601 and BT.709, limited range: red of Cr, green of Cb and Cr, blue of Cb.
    "bt601": (1.596027, 0.391762, 0.812968, 2.017232),
    "bt709": (1.792741, 0.213249, 0.532909, 2.112402),
}
LUMA_SCALE = 1.164384


@dataclass(frozen=True, slots=True, kw_only=True)
class CropFormat:
    """What a network takes: output = level * scale + bias, levels 0 to 255."""

    dtype: CropType = "uint8"
    """uint8 is rounded and clamped."""
    planar: bool = False
    """(B, 3, S, S) rather than (B, S, S, 3)."""
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Red, green, blue."""
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)


def square_affines(centers_px: np.ndarray, sides_px: np.ndarray, size: int) -> np.ndarray:
    """Upright squares (centre (B, 2), side (B,), picture pixels) -> affines (B, 2, 3) float32, crop -> picture."""
    affines = np.zeros((len(centers_px), 2, 3), np.float32)
    affines[:, 0, 0] = affines[:, 1, 1] = np.asarray(sides_px) / size
    affines[:, :, 2] = np.asarray(centers_px) - np.asarray(sides_px)[:, None] / 2
    return affines


def mirrored(affines: np.ndarray, size: int) -> np.ndarray:
    """Affines (B, 2, 3) of crops of ``size`` pixels -> those of their mirror images, left for right."""
    flipped = affines.copy()
    flipped[:, :, 2] += size * affines[:, :, 0]
    flipped[:, :, 0] *= -1
    return flipped


def check_crops(picture_of: np.ndarray, affines: np.ndarray, size: int, pictures: int) -> None:
    """Raises ValueError where the arguments of a crop do not fit."""
    if affines.ndim != 3 or affines.shape[1:] != (2, 3) or picture_of.shape != affines.shape[:1]:
        raise ValueError(f"affines must be (B, 2, 3) and picture_of (B,), got {affines.shape} and {picture_of.shape}")
    if not np.isfinite(affines).all() or size < 1:
        raise ValueError(f"affines must be finite and size at least 1, got size {size}")
    if len(picture_of) and not (picture_of.min() >= 0 and picture_of.max() < pictures):
        raise ValueError(f"picture_of must index {pictures} pictures, got {picture_of.tolist()}")


def nv12_to_rgb(
    luma: np.ndarray,
    chroma: np.ndarray,
    matrix: Literal["bt601", "bt709"] = "bt709",
    dtype: type[np.uint8] | type[np.float32] = np.float32,
) -> np.ndarray:
    """Luma (H, W) and interleaved chroma (H/2, W/2, 2) uint8 -> (H, W, 3), 0 to 255; uint8 is rounded."""
    red_cr, green_cb, green_cr, blue_cb = YUV_TO_RGB[matrix]
    colours = np.array([[0, red_cr], [-green_cb, -green_cr], [blue_cb, 0]])
    to_rgb = np.column_stack([np.full(3, LUMA_SCALE), colours, -16 * LUMA_SCALE - 128 * colours.sum(1)])
    height, width = luma.shape
    wide = cv2.resize(chroma, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[:height, :width]
    rgb = cv2.transform(np.dstack([luma, wide]).astype(dtype, copy=False), to_rgb)
    return rgb if dtype is np.uint8 else rgb.clip(0, 255)


def crop_pictures(
    pictures: Sequence[np.ndarray],
    picture_of: np.ndarray,
    affines: np.ndarray,
    size: int,
    crop_format: CropFormat | None = None,
) -> np.ndarray:
    """Crops (B, S, S, 3) or (B, 3, S, S) of ``pictures``, each (H, W, 3) uint8, or float32 from `nv12_to_rgb`.

    picture_of: (B,) index of each crop's picture; affines: (B, 2, 3) crop pixels -> picture pixels. Raises ValueError.
    """
    wanted = CropFormat() if crop_format is None else crop_format
    check_crops(picture_of, affines, size, len(pictures))
    crops = np.empty((len(affines), size, size, 3), np.float32)
    for crop, index, affine in zip(crops, picture_of, affines.astype(np.float64), strict=True):
        span = float(np.sqrt((affine[:, :2] ** 2).sum(axis=0)).max())
        taps = min(max(math.ceil(span - 1e-3), 1), MOST_TAPS)
        matrix = affine / [taps, taps, 1]
        matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
        fine = cv2.warpAffine(
            pictures[index].astype(np.float32),
            matrix,
            (size * taps, size * taps),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        crop[:] = fine.reshape(size, taps, size, taps, 3).mean(axis=(1, 3))
    crops = crops * np.array(wanted.scale, np.float32) + np.array(wanted.bias, np.float32)
    if wanted.planar:
        crops = np.ascontiguousarray(crops.transpose(0, 3, 1, 2))
    return (np.clip(np.rint(crops), 0, 255) if wanted.dtype == "uint8" else crops).astype(wanted.dtype)
