"""What somebody looks like, cheaply: the colours of their torso, to tell apart two people who met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernels.launch.crop_pictures import AnyPicture, DevicePicture, crop_pictures

BINS = 4
SAMPLES = 12
_TORSO = ((0.3, 0.7), (0.2, 0.5))
"""Part of a person's box that is mostly their torso: from and to along x and along y, as fractions."""
_PLACES = np.array([BINS * BINS, BINS, 1])


def torso_colours(image: AnyPicture, boxes: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray | None]:
    """Colour histograms (64,) float32, sum 1, of the torsos in people's ``boxes`` (N, 4+); None where one is out of the
    picture.

    ``image`` (H, W, 3) uint8. Takes a grid of 12 x 12 pixels each: a few microseconds at any resolution. Of a picture
    on a device it takes the mean around each of these, and waits for them once.
    """
    torsos = [_torso(*box[:4].tolist()) for box in boxes]
    grids = _on_device(image, np.array(torsos)) if torsos and isinstance(image, DevicePicture) else None
    height, width = image.shape[:2]
    found: list[np.ndarray | None] = []
    for row, (left, top, right, bottom) in enumerate(torsos):
        columns, rows = _samples(left, right, width), _samples(top, bottom, height)
        if min(len(columns), len(rows)) < SAMPLES // 3:
            found.append(None)
        elif grids is not None:
            found.append(_histogram(grids[row][list(rows)][:, list(columns)]))
        else:
            found.append(_histogram(np.asarray(image)[[[y] for y in rows.values()], list(columns.values())]))
    return found


def _torso(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    (left, right), (top, bottom) = _TORSO
    width, height = x1 - x0, y1 - y0
    return x0 + width * left, y0 + height * top, x0 + width * right, y0 + height * bottom


def _samples(low: float, high: float, limit: int) -> dict[int, int]:
    """Number of each sample along an axis that lies in the picture -> its pixel."""
    places = [low + (high - low) * (i + 0.5) / SAMPLES for i in range(SAMPLES)]
    return {i: int(place) for i, place in enumerate(places) if 0 <= place < limit}


def _on_device(picture: DevicePicture, torsos: np.ndarray) -> np.ndarray:
    """(N, 12, 12, 3) uint8 on the host of rectangles (N, 4)."""
    device = picture.pixels.device
    device.follow_default_stream()
    affines = np.zeros((len(torsos), 2, 3), np.float32)
    affines[:, [0, 1], [0, 1]] = (torsos[:, 2:] - torsos[:, :2]) / SAMPLES
    affines[:, :, 2] = torsos[:, :2]
    return device.download(crop_pictures([picture], np.zeros(len(torsos), int), affines, SAMPLES))


def _histogram(pixels: np.ndarray) -> np.ndarray:
    codes = pixels.reshape(-1, 3) // (256 // BINS) @ _PLACES
    return (np.bincount(codes, minlength=BINS**3) / len(codes)).astype(np.float32)


def colour_distance(a: np.ndarray | None, b: np.ndarray | None) -> float:
    """Hellinger distance of two histograms, 0 (equal) .. 1 (nothing shared); 0.5 where one is unknown."""
    if a is None or b is None:
        return 0.5
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(a * b).sum())))
