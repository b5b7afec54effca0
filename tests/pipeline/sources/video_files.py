"""Writes small videos whose pixels say which frame they are."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

QUADRANTS = {"top_left": (230, 30, 30), "top_right": (30, 200, 30), "bottom_left": (30, 30, 230), "bottom_right": (200, 200, 200)}  # fmt: skip  # noqa: E501


def quadrant_picture(width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: a different colour in each quarter, so that any turn or mirror image shows."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = QUADRANTS["top_left"]
    image[: height // 2, width // 2 :] = QUADRANTS["top_right"]
    image[height // 2 :, : width // 2] = QUADRANTS["bottom_left"]
    image[height // 2 :, width // 2 :] = QUADRANTS["bottom_right"]
    return image


def corner_names(image: np.ndarray) -> tuple[str, str, str, str]:
    """The quadrant names that are nearest in colour at top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    found = []
    for y in (height // 4, height - height // 4):
        for x in (width // 4, width - width // 4):
            distances = {name: np.abs(image[y, x].astype(int) - colour).sum() for name, colour in QUADRANTS.items()}
            found.append(min(distances, key=distances.__getitem__))
    return tuple(found)


def level_picture(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A grey picture of one level, 0..255."""
    return np.full((height, width, 3), level, np.uint8)


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 30),
    rotation: float | None = None,
    hflip: bool = False,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Encode the pictures; `pts` counts in `time_base`."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.options = options or ({"crf": "10"} if codec == "libx264" else {})
        stream.codec_context.time_base = time_base
        if rotation is not None:
            stream.set_display_rotation(rotation, hflip=hflip)
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pix_fmt)
            frame.pts = index if pts is None else pts[index]
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
