"""Unit quaternions (w, x, y, z) of the wire, from rotation vectors and to matrices."""

from __future__ import annotations

import numpy as np


def quaternions(rotvec: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3), radians -> unit quaternions (..., 4) as (w, x, y, z), float64."""
    rotvec = np.asarray(rotvec, np.float64)
    # The floor keeps sin(half) / angle at its limit 1/2.
    half = 0.5 * np.sqrt(np.maximum((rotvec * rotvec).sum(axis=-1, keepdims=True), 1e-24))
    return np.concatenate([np.cos(half), 0.5 * np.sin(half) / half * rotvec], axis=-1)


def matrices(wxyz: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) as (w, x, y, z) -> rotation matrices (..., 3, 3), same dtype."""
    w, x, y, z = np.moveaxis(wxyz, -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
