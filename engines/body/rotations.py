"""Rotation vectors and rotation matrices, batched, numpy."""

from __future__ import annotations

import numpy as np


def rotation_matrices(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) in radians, float32 or float64 -> matrices (..., 3, 3) of that type.

    By way of quaternions, whose matrix is linear in their products: few calls, which is what a handful of joints costs.
    """
    flat = rotvec.reshape(-1, 3)
    # The floor keeps sin(half) / half at its limit 1.
    half = 0.5 * np.sqrt(np.maximum(np.einsum("ni,ni->n", flat, flat), 1e-24))
    quat = np.empty((len(flat), 4), rotvec.dtype)
    np.cos(half, out=quat[:, 0])
    np.multiply(flat, (0.5 * np.sin(half) / half)[:, None], out=quat[:, 1:])
    products = (quat[:, :, None] * quat[:, None]).reshape(-1, 16)
    return (products @ _MATRIX[rotvec.dtype]).reshape(*rotvec.shape, 3)


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """Inverse of `rotation_matrices`: matrices (..., 3, 3) -> vectors (..., 3), angle in [0, pi]."""
    flat = np.asarray(matrices, np.float64).reshape(-1, 9)
    # Four times the outer product of the unit quaternion (w, x, y, z) with itself: its row of largest diagonal
    # entry is the quaternion up to scale and never cancels (Shepperd 1978).
    outer = flat @ _OUTER
    outer[:, ::5] += 1
    quat = outer.reshape(-1, 4, 4)[np.arange(len(outer)), outer[:, ::5].argmax(axis=1)]
    w, xyz = quat[:, 0], quat[:, 1:]
    # Not yet of unit length, which an angle does not mind. The floor keeps angle / sine at its limit 2 / w.
    sine = np.sqrt(np.maximum(np.einsum("ni,ni->n", xyz, xyz), 1e-24))
    scale = 2 * np.arctan2(sine, np.abs(w)) / np.copysign(sine, w)
    return (xyz * scale[:, None]).reshape(matrices.shape[:-1]).astype(matrices.dtype, copy=False)


def _outer_product() -> np.ndarray:
    """(9, 16): flattened rotation -> flattened 4 q q^T - I."""
    out = np.zeros((9, 4, 4))
    for i, signs in enumerate(((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))):
        out[[0, 4, 8], i, i] = signs
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        for row, column in ((0, i + 1), (i + 1, 0)):
            out[3 * k + j, row, column], out[3 * j + k, row, column] = 1, -1
        for row, column in ((j + 1, k + 1), (k + 1, j + 1)):
            out[3 * k + j, row, column] = out[3 * j + k, row, column] = 1
    return out.reshape(9, 16)


def _matrix_of_products() -> np.ndarray:
    """(16, 9): flattened q q^T of a unit quaternion -> flattened rotation."""
    out = np.zeros((4, 4, 3, 3))
    for i, signs in enumerate(((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))):
        out[i, i, range(3), range(3)] = signs
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        out[j + 1, k + 1, j, k] = out[j + 1, k + 1, k, j] = 2
        out[0, i + 1, k, j], out[0, i + 1, j, k] = 2, -2
    return out.reshape(16, 9)


_OUTER = _outer_product()
_MATRIX = {np.dtype(kind): _matrix_of_products().astype(kind) for kind in (np.float32, np.float64)}
