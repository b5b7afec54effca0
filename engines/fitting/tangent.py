"""Small turns: cross products as matrices, and what they do to rotation vectors."""

from __future__ import annotations

import numpy as np

_IDENTITY = np.eye(3)
_CROSS = np.zeros((3, 9))
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    _CROSS[_i, 3 * _k + _j], _CROSS[_i, 3 * _j + _k] = 1, -1


def cross_matrices(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3): [v]x, which times w is the cross product of v and w."""
    return (vectors @ _CROSS).reshape(*vectors.shape, 3)


def inverse_right_jacobian(vectors: np.ndarray) -> np.ndarray:
    """d log(exp(q) exp(d)) / dd at d = 0: rotation vectors (..., 3) -> (..., 3, 3).

    I + [q]x / 2 + k [q]x^2, k = 1 / t^2 - (1 + cos t) / (2 t sin t), t = |q| (Chirikjian 2012, Eq. 10.86). At t = pi
    the logarithm jumps; t is held short of it.
    """
    cross = cross_matrices(vectors)
    square = np.maximum(np.einsum("...i,...i", vectors, vectors), 1e-8)
    square = np.minimum(square, (np.pi - 1e-3) ** 2)
    angle = np.sqrt(square)
    # (1 + cos t) / sin t = 1 / tan(t / 2). 1 / 12 as the angle vanishes; the two terms cancel there.
    full = 1 / square - 0.5 / (angle * np.tan(0.5 * angle))
    factor = np.where(angle < 0.02, 1 / 12 + square / 720, full)
    out = factor[..., None, None] * (cross @ cross)
    out += 0.5 * cross
    out += _IDENTITY
    return out
