"""JPEG and PNG bytes of RGB pictures and masks."""

from __future__ import annotations

import cv2
import numpy as np


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB -> (n,) uint8 bytes."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]).reshape(-1)


def png(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8 -> (n,) uint8 bytes."""
    return np.asarray(cv2.imencode(".png", mask)[1]).reshape(-1)


def decode_rgb(data: np.ndarray) -> np.ndarray:
    """(n,) uint8 bytes -> (H, W, 3) uint8 RGB. Raises ValueError if they are not a picture."""
    return cv2.cvtColor(_decode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def decode_mask(data: np.ndarray) -> np.ndarray:
    """(n,) uint8 bytes -> (H, W) uint8. Raises ValueError if they are not a picture."""
    return _decode(data, cv2.IMREAD_GRAYSCALE)


def _decode(data: np.ndarray, flag: int) -> np.ndarray:
    picture = cv2.imdecode(data, flag)
    if picture is None:
        raise ValueError(f"{len(data)} bytes are not a picture that can be decoded; make the file again")
    return np.asarray(picture)
