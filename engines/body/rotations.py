"""Rotation vectors and rotation matrices, batched, numpy."""

from __future__ import annotations

import numpy as np


def rotation_matrices(rotvec: np.ndarray) -> np.ndarray:
    """Rodrigues' formula: rotation vectors (..., 3) in radians -> matrices (..., 3, 3), same dtype."""
    x, y, z = rotvec[..., 0], rotvec[..., 1], rotvec[..., 2]
    # R = I + a K + b K^2 with a = sin t / t, b = (1 - cos t) / t^2; the floor keeps both at their limits 1 and 1/2.
    half = 0.5 * np.sqrt(np.maximum(x * x + y * y + z * z, 1e-12))
    sinc_half = np.sin(half) / half
    a, b = sinc_half * np.cos(half), 0.5 * sinc_half * sinc_half
    bxy, bxz, byz = b * x * y, b * x * z, b * y * z
    bxx, byy, bzz = b * x * x, b * y * y, b * z * z
    out = np.empty((*rotvec.shape[:-1], 3, 3), rotvec.dtype)
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = 1 - byy - bzz, bxy - a * z, bxz + a * y
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = bxy + a * z, 1 - bxx - bzz, byz - a * x
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = bxz - a * y, byz + a * x, 1 - bxx - byy
    return out


def rotation_vectors(matrices: np.ndarray) -> np.ndarray:
    """Inverse of `rotation_matrices`: matrices (..., 3, 3) -> vectors (..., 3), angle in [0, pi]."""
    r = np.asarray(matrices, np.float64)
    d0, d1, d2 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    # Four times the outer product of the unit quaternion (w, x, y, z) with itself: its row of largest diagonal
    # entry is the quaternion up to scale and never cancels (Shepperd 1978).
    q = np.empty((*r.shape[:-2], 4, 4))
    q[..., 0, 0], q[..., 1, 1] = 1 + d0 + d1 + d2, 1 + d0 - d1 - d2
    q[..., 2, 2], q[..., 3, 3] = 1 - d0 + d1 - d2, 1 - d0 - d1 + d2
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        q[..., 0, i + 1] = q[..., i + 1, 0] = r[..., k, j] - r[..., j, k]
        q[..., j + 1, k + 1] = q[..., k + 1, j + 1] = r[..., k, j] + r[..., j, k]
    best = np.argmax(np.diagonal(q, axis1=-2, axis2=-1), axis=-1)
    quat = np.take_along_axis(q, best[..., None, None], axis=-2)[..., 0, :]
    quat *= np.where(quat[..., :1] < 0, -1.0, 1.0)
    quat /= np.linalg.norm(quat, axis=-1, keepdims=True)
    sine = np.linalg.norm(quat[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(sine, quat[..., :1])
    # angle / sine -> 2 as the angle vanishes.
    scale = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)
    return (quat[..., 1:] * scale).astype(np.asarray(matrices).dtype)
