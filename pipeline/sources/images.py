"""A folder of pictures that have nothing to do with each other, in sorted order; or a single picture."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.types import Frame

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".jp2"})


def create(rest: str, options: SourceOptions) -> ImagesSource:
    return ImagesSource(rest, options)


class ImagesSource(Source):
    """One frame per picture; `index` counts all picture files, also those that cannot be read."""

    delivery = Delivery.BLOCK

    def __init__(self, path: str, options: SourceOptions) -> None:
        super().__init__(path, options)
        self._root = Path(path)
        self._paths: list[Path] = []
        self._position = 0
        self._read_ahead: Frame | None = None

    def _open(self) -> None:
        if self._root.is_dir():
            self._paths = sorted(p for p in self._root.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
            if not self._paths:
                raise SourceError(
                    f"{self._root}: no pictures in this folder; it looks for {', '.join(sorted(SUFFIXES))}"
                )
        elif self._root.is_file():
            self._paths = [self._root]
        else:
            raise SourceError(f"{self._root}: there is no such folder; check the path")
        self._read_ahead = self._decode_next()
        if self._read_ahead is None:
            raise SourceError(f"{self._root}: none of the {len(self._paths)} pictures can be decoded")

    def _next(self) -> Frame | None:
        frame, self._read_ahead = self._read_ahead, None
        return frame or self._decode_next()

    def _decode_next(self) -> Frame | None:
        while self._position < len(self._paths) and not self._stop.is_set():
            index, path = self._position, self._paths[self._position]
            self._position += 1
            try:
                image = read_picture(path)
            except (OSError, ValueError) as error:
                self.skip(f"picture {path}", error)
                continue
            return Frame(
                stream=self.stream,
                index=index,
                image=image,
                capture_ns=time.monotonic_ns(),
                pts_s=float(index),
                intrinsics=self.options.camera.for_size(image.shape[1], image.shape[0]),
                unrelated=True,
            )
        return None


def read_picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB, EXIF orientation applied. Raises OSError, or ValueError if it is broken or cut off."""
    data = path.read_bytes()
    if not data:
        raise ValueError("the file is empty")
    if data.startswith(b"\xff\xd8") and not jpeg_complete(data):
        raise ValueError("the JPEG is cut off")  # OpenCV would fill the rest with grey and say nothing
    if data.startswith(b"\x89PNG") and b"IEND" not in data[-64:]:
        raise ValueError("the PNG is cut off")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        raise ValueError(str(error)) from error
    if image is None:
        raise ValueError("not a picture that OpenCV can read")
    return image


def jpeg_complete(data: bytes) -> bool:
    """Whether a JPEG has the end marker of its own picture (that of a thumbnail in its header does not count)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA:
            return data.find(b"\xff\xd9", at) >= 0
        at += 2 + length
    return False
