"""Affine crops of pictures that lie on a device, one launch for all people of all cameras; the CPU path is
`kernels.crop_pictures`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from kernels.check import check_array
from kernels.crop_pictures import CropFormat, check_crops, nv12_to_rgb
from kernels.device import DeviceArray, blocks

_FORMATS = {"uint8": 0, "float16": 1, "float32": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePicture:
    """One frame on the device: RGB, or NV12 as a video decoder leaves it."""

    pixels: DeviceArray
    """RGB (H, pitch) or luma (H, pitch) uint8: rows may be padded."""
    width: int
    """Pixels of a row that belong to the picture."""
    chroma: DeviceArray | None = None
    """(ceil(H / 2), pitch) uint8, interleaved; None for RGB."""
    matrix: Literal["bt601", "bt709"] = "bt709"
    """Of NV12, limited range."""

    def __post_init__(self) -> None:
        rows, pitch = self.pixels.shape if len(self.pixels.shape) == 2 else (0, 0)
        bytes_of_row = self.width * 3 if self.chroma is None else -(-self.width // 2) * 2
        if rows < 1 or self.width < 1 or pitch < bytes_of_row or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"pixels must be (H, at least {bytes_of_row} bytes) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )
        chroma = (-(-rows // 2), pitch)
        if self.chroma is not None and (self.chroma.shape != chroma or self.chroma.dtype != np.uint8):
            raise ValueError(f"chroma must be {chroma} uint8, got {self.chroma.shape} {self.chroma.dtype}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the picture as an array: (H, W, 3)."""
        return self.pixels.shape[0], self.width, 3

    @property
    def dtype(self) -> np.dtype:
        """Of that array."""
        return np.dtype(np.uint8)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB on the host, for those who draw: waits for the copy."""
        device = self.pixels.device
        device.follow_default_stream()
        pixels = device.download(self.pixels)
        if self.chroma is None:
            return np.ascontiguousarray(pixels[:, : 3 * self.width]).reshape(self.shape)
        chroma = device.download(self.chroma)[:, : -(-self.width // 2) * 2]
        return nv12_to_rgb(pixels[:, : self.width], chroma.reshape(len(chroma), -1, 2), self.matrix, np.uint8)

    def row(self) -> list[int]:
        """As the kernel's table has it."""
        height, pitch = self.pixels.shape
        chroma = 0 if self.chroma is None else self.chroma.pointer
        return [self.pixels.pointer, chroma, self.width, height, pitch, int(self.matrix == "bt709")]


AnyPicture = np.ndarray | DevicePicture
"""(H, W, 3) uint8 RGB: on the host, or where a decoder left it; ``np.asarray`` brings either to the host."""


def crop_pictures(
    pictures: Sequence[DevicePicture],
    picture_of: np.ndarray,
    affines: np.ndarray,
    size: int,
    crop_format: CropFormat | None = None,
    *,
    out: DeviceArray | None = None,
    stream: Any = None,
) -> DeviceArray:
    """Crops (B, S, S, 3) or (B, 3, S, S), into ``out`` where given; picture_of (B,) and affines (B, 2, 3) on the host.

    The two tables of some bytes per crop are copied on the stream. Raises TypeError or ValueError.
    """
    wanted = CropFormat() if crop_format is None else crop_format
    check_crops(picture_of, affines, size, len(pictures))
    if not pictures:
        raise ValueError("pictures is empty: there is no device to crop on")
    device = pictures[0].pixels.device
    for picture in pictures:
        for array in (picture.pixels, picture.chroma):
            if array is not None and array.device is not device:
                raise ValueError(f"pictures must share one device, got {array.device} and {device}")
    count = len(affines)
    shape = (count, 3, size, size) if wanted.planar else (count, size, size, 3)
    if out is None:
        out = device.empty(shape, wanted.dtype, stream)
    check_array("out", out, shape, wanted.dtype)
    device.launch(
        "crop_normalize",
        "crop_normalize",
        grid=(blocks(size, 32), blocks(size, 8), count),
        block=(32, 8, 1),
        stream=stream,
        pictures=device.upload(np.array([picture.row() for picture in pictures], np.int64), stream),
        picture_of=device.upload(np.asarray(picture_of, np.int32), stream),
        affines=device.upload(np.asarray(affines, np.float32), stream),
        crops=out,
        scale=wanted.scale,
        bias=wanted.bias,
        size=size,
        format=_FORMATS[wanted.dtype],
        planar=int(wanted.planar),
    )
    return out
