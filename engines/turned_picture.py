"""Pictures turned by right angles, and where points and boxes then lie."""

from __future__ import annotations

import cv2
import numpy as np

_CODES = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


def turned_picture(image: np.ndarray, turns: int) -> np.ndarray:
    """(H, W, 3) turned counter-clockwise by ``turns`` times 90 degrees, 0 to 3."""
    code = _CODES[turns]
    return image if code is None else cv2.rotate(image, code)


def turned_points(points: np.ndarray, size: tuple[int, int], turns: int) -> np.ndarray:
    """Points (..., 2) of a picture of ``size`` (width, height) -> of the picture as `turned_picture` gives it."""
    x, y = points[..., 0], points[..., 1]
    width, height = size
    return np.stack(((x, y), (y, width - x), (width - x, height - y), (height - y, x))[turns], -1)


def turned_boxes(boxes: np.ndarray, size: tuple[int, int], turns: int) -> np.ndarray:
    """Boxes (N, 4) x0 y0 x1 y1 of a picture of ``size`` -> of the picture as `turned_picture` gives it."""
    return np.sort(turned_points(boxes.reshape(-1, 2, 2), size, turns), axis=1).reshape(-1, 4)
