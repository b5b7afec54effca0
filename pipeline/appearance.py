"""What somebody looks like, cheaply: the colours of their torso, to tell apart two people who met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernels.launch.crop_pictures import AnyPicture, DevicePicture, crop_pictures

BINS = 4
SAMPLES = 12
_TORSO = np.array([(0.3, 0.2), (0.7, 0.5)])
"""Part of a person's box that is mostly their torso: x, y of its corners as fractions."""


def torso_colours(image: AnyPicture, boxes: Sequence[np.ndarray] | np.ndarray) -> list[np.ndarray | None]:
    """Colour histograms (64,) float32, sum 1, of the torsos in people's ``boxes`` (N, 4+); None where one is out of the
    picture.

    ``image`` (H, W, 3) uint8. Takes a grid of 12 x 12 pixels each: a few microseconds at any resolution. Of a picture
    on a device it takes the mean around each of these, and waits for them once.
    """
    if not len(boxes):
        return []
    corners = np.stack([np.asarray(box, np.float64)[:4] for box in boxes]).reshape(-1, 2, 2)
    torsos = corners[:, :1] + (corners[:, 1:] - corners[:, :1]) * _TORSO
    steps = (np.arange(SAMPLES) + 0.5) / SAMPLES
    places = torsos[:, 0, :, None] + (torsos[:, 1] - torsos[:, 0])[..., None] * steps  # (N, 2, SAMPLES): x, y
    height, width = image.shape[:2]
    inside = (places >= 0) & (places < np.array([[width], [height]]))
    grids = _on_device(image, torsos) if isinstance(image, DevicePicture) else None
    found: list[np.ndarray | None] = []
    for row, (x_inside, y_inside) in enumerate(inside):
        if min(x_inside.sum(), y_inside.sum()) < SAMPLES // 3:
            found.append(None)
        elif grids is not None:
            found.append(_histogram(grids[row][y_inside][:, x_inside]))
        else:
            columns, rows = (at[there].astype(int) for at, there in zip(places[row], inside[row], strict=True))
            found.append(_histogram(np.asarray(image)[rows[:, None], columns[None]]))
    return found


def _on_device(picture: DevicePicture, torsos: np.ndarray) -> np.ndarray:
    """(N, 12, 12, 3) uint8 on the host of rectangles (N, 2, 2)."""
    device = picture.pixels.device
    device.follow_default_stream()
    affines = np.zeros((len(torsos), 2, 3), np.float32)
    affines[:, [0, 1], [0, 1]] = (torsos[:, 1] - torsos[:, 0]) / SAMPLES
    affines[:, :, 2] = torsos[:, 0]
    return device.download(crop_pictures([picture], np.zeros(len(torsos), int), affines, SAMPLES))


def _histogram(pixels: np.ndarray) -> np.ndarray:
    bins = (pixels.reshape(-1, 3) // (256 // BINS)).astype(int)
    codes = (bins[:, 0] * BINS + bins[:, 1]) * BINS + bins[:, 2]
    return (np.bincount(codes, minlength=BINS**3) / len(codes)).astype(np.float32)


def colour_distance(a: np.ndarray | None, b: np.ndarray | None) -> float:
    """Hellinger distance of two histograms, 0 (equal) .. 1 (nothing shared); 0.5 where one is unknown."""
    if a is None or b is None:
        return 0.5
    return float(np.sqrt(max(0.0, 1.0 - np.sqrt(a * b).sum())))
