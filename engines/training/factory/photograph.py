"""What a camera does to a clean picture: limited resolution, blur, tone, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np

from engines.training.factory.codec import decode_rgb, jpeg


def photograph(image: np.ndarray, source_side_px: float, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 RGB -> same, as a camera would have taken it.

    `source_side_px`: how many pixels of the source picture the crop spans; below S the crop was enlarged.
    """
    size = image.shape[0]
    resolved = min(source_side_px, size) * (rng.uniform(0.4, 1.0) if rng.random() < 0.3 else 1.0)
    resolved = int(np.clip(resolved, 64, size))
    if resolved < size:
        image = cv2.resize(image, (resolved, resolved), interpolation=cv2.INTER_AREA)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1))
    if rng.random() < 0.07:
        image = _motion_blur(image, rng)
    out = _tone(image, rng)
    if rng.random() < 0.7:
        out = _noise(out, rng)
    image = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = int(rng.integers(25, 90))
        image = decode_rgb(jpeg(image, quality))
    if resolved < size:
        enlarge = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[
            rng.integers(4 if resolved > 0.7 * size else 3)
        ]
        image = cv2.resize(image, (size, size), interpolation=enlarge)
    return image


def _motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.integers(3, 7))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), rng.uniform(0, 180), 1)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return cv2.filter2D(image, -1, turned / turned.sum())


def _tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gamma = np.exp(rng.normal(0, 0.18))
    curve = 255 * (np.arange(256) / 255) ** gamma
    out = curve.astype(np.float32)[image] * rng.uniform(0.8, 1.2)
    out = (out - 110) * rng.uniform(0.8, 1.25) + 110
    out *= rng.normal(1, 0.05, 3).astype(np.float32)
    if rng.random() < 0.06:
        out = np.repeat(out.mean(axis=2, keepdims=True), 3, axis=2)
    return out


def _noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    grain = rng.standard_normal((height, width, 3 if rng.random() < 0.5 else 1), np.float32)
    shot = np.sqrt(np.maximum(image, 0) / 128)
    return image + grain * (rng.exponential(3.0) + rng.exponential(2.0) * shot)
