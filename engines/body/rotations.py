"""Rotation vectors and rotation matrices, batched, numpy."""

from __future__ import annotations

import numpy as np


def rotation_matrices(rotvec: np.ndarray) -> np.ndarray:
    """Rodrigues' formula: rotation vectors (..., 3) in radians -> matrices (..., 3, 3), same dtype."""
    # One axis to run over: numpy's loops begin anew for every further one.
    x, y, z = rotvec.reshape(-1, 3).T
    # R = I + a K + b K^2 with a = sin t / t, b = (1 - cos t) / t^2; the floor keeps both at their limits 1 and 1/2.
    half = 0.5 * np.sqrt(np.maximum(x * x + y * y + z * z, 1e-12))
    sinc_half = np.sin(half) / half
    a, b = sinc_half * np.cos(half), 0.5 * sinc_half * sinc_half
    bxy, bxz, byz = b * x * y, b * x * z, b * y * z
    bxx, byy, bzz = b * x * x, b * y * y, b * z * z
    out = np.empty((len(x), 3, 3), rotvec.dtype)
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = 1 - byy - bzz, bxy - a * z, bxz + a * y
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = bxy + a * z, 1 - bxx - bzz, byz - a * x
    out[:, 2, 0], out[:, 2, 1], out[:, 2, 2] = bxz - a * y, byz + a * x, 1 - bxx - byy
    return out.reshape(*rotvec.shape, 3)


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """Inverse of `rotation_matrices`: matrices (..., 3, 3) -> vectors (..., 3), angle in [0, pi]."""
    flat = np.asarray(matrices, np.float64).reshape(-1, 9)
    # Four times the outer product of the unit quaternion (w, x, y, z) with itself: its row of largest diagonal
    # entry is the quaternion up to scale and never cancels (Shepperd 1978).
    outer = flat @ _OUTER
    outer[:, ::5] += 1
    rows = outer.reshape(-1, 4, 4)
    quat = rows[np.arange(len(rows)), outer[:, ::5].argmax(axis=1)]
    w, xyz = quat[:, 0], quat[:, 1:]
    sine = np.sqrt((xyz * xyz).sum(axis=1))
    # Not yet of unit length, which an angle does not mind; angle / sine -> 2 / w as both vanish.
    angle = 2 * np.arctan2(sine, np.abs(w))
    small = sine <= 1e-9 * np.abs(w)
    scale = np.where(small, 2.0, angle) / np.where(small, w, np.copysign(sine, w))
    return (xyz * scale[:, None]).reshape(matrices.shape[:-1]).astype(matrices.dtype)


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


_OUTER = _outer_product()
