"""Elbows and knees do not bend backwards: the exponential prior of Keep it SMPL (ECCV 2016), Section 3.3."""

from __future__ import annotations

import numpy as np

from engines.fitting.attached_points import FREE_JOINTS, NUM_TURNS
from engines.fitting.tangent import inverse_right_jacobian
from engines.keypoints import JOINT_NAMES

SHARPNESS = 5.0
"""Per radian. With the paper's own 1 a knee bent backwards by 30 degrees costs 1.7 times a straight one; here 14."""

_HINGES = {"left_knee": (0, -1), "right_knee": (0, -1), "left_elbow": (1, 1), "right_elbow": (1, -1)}
"""Axis of the rotation vector and its unnatural sign: knees bend about +x, elbows about -y left and +y right."""
_JOINTS = [JOINT_NAMES.index(name) for name in _HINGES]
_AXES = [axis for axis, _ in _HINGES.values()]
_SIGNS = np.array([float(sign) for _, sign in _HINGES.values()]) * SHARPNESS
_COLUMNS = [3 * FREE_JOINTS.index(joint) for joint in _JOINTS]


def bending_residuals(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation vectors (B, 24, 3) -> four residuals (B, 4), exp(angle / 2) each, and derivatives (B, 4, 60)."""
    hinges = vectors[:, _JOINTS]
    rows = np.exp(0.5 * _SIGNS * hinges[:, range(4), _AXES])
    bend = inverse_right_jacobian(hinges)[:, range(4), _AXES]
    by_turn = np.zeros((len(vectors), 4, NUM_TURNS))
    for hinge, column in enumerate(_COLUMNS):
        by_turn[:, hinge, column : column + 3] = (0.5 * _SIGNS[hinge] * rows[:, hinge, None]) * bend[:, hinge]
    return rows, by_turn
