"""The usual errors of 3D poses: MPJPE, PA-MPJPE, PVE. Batched numpy, metres in, millimetres out."""

from __future__ import annotations

import numpy as np

from engines.keypoints import JOINT_NAMES

LIMB_JOINTS = tuple(
    JOINT_NAMES.index(f"{side}_{name}")
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
"""The 12 joints that datasets agree on."""


def procrustes(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Best similarity (rotation without reflection, scale, shift) of points (B, N, 3) onto target (B, N, 3)."""
    mean, goal = points.mean(1, keepdims=True), target.mean(1, keepdims=True)
    a, b = points - mean, target - goal
    u, s, vt = np.linalg.svd(a.transpose(0, 2, 1) @ b)
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(1) / np.maximum((a**2).sum((1, 2)), 1e-12)
    return scale[:, None, None] * (a @ rotation) + goal


def mean_distance_mm(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(B, N, 3) against (B, N, 3) -> (B,) millimetres."""
    return 1000 * np.linalg.norm(points - target, axis=-1).mean(-1)


def pa_mpjpe_mm(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Error that is left after the best similarity, (B,) millimetres."""
    return mean_distance_mm(procrustes(points, target), target)


def mpjpe_mm(points: np.ndarray, target: np.ndarray, root: tuple[int, ...] = (0,)) -> np.ndarray:
    """Error with the mean of the `root` points laid together, (B,) millimetres."""
    at = list(root)
    return mean_distance_mm(
        points - points[:, at].mean(1, keepdims=True), target - target[:, at].mean(1, keepdims=True)
    )
