"""Derivative of rotation vectors by small turns."""

from __future__ import annotations

import numpy as np


def inverse_right_jacobian(vectors: np.ndarray) -> np.ndarray:
    """d log(exp(q) exp(d)) / dd at d = 0: rotation vectors (..., 3) -> (..., 3, 3).

    I + [q]x / 2 + k [q]x^2, k = 1 / t^2 - (1 + cos t) / (2 t sin t), t = |q| (Chirikjian 2012, Eq. 10.86). At t = pi
    the logarithm jumps; t is held short of it.
    """
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vectors.shape, 3)
    angle = np.clip(np.sqrt((vectors**2).sum(-1)), 1e-4, np.pi - 1e-3)
    # 1 / 12 as the angle vanishes; the two terms cancel there.
    full = 1 / angle**2 - (1 + np.cos(angle)) / (2 * angle * np.sin(angle))
    factor = np.where(angle < 0.02, 1 / 12 + angle**2 / 720, full)
    return np.eye(3) + cross / 2 + factor[..., None, None] * (cross @ cross)
