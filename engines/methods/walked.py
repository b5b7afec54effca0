"""How far somebody walked away from the camera between two frames, as far as one camera tells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FASTEST_M_S, DEPTH_S = 2.0, 2.0
"""Nobody walks faster; and over so many seconds depth and trunk are averaged."""
POSTURE_M, DEPTH_ERROR, STRIDE_M = 0.2, 0.3, 1.0
"""By so much does a neck move without a step, by such a part of it is a depth off, and so far do people walk."""
_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody's neck was seen, of all joints the first and the last in the picture."""

    sight: np.ndarray
    """(3,): its direction, x, y and 1."""
    depth_m: float
    trunk_m: np.ndarray
    """(3,): from pelvis to neck."""


def walked_away(last: Place, seen: Place, past_s: float) -> tuple[float, Place]:
    """Metres since ``last``, ``past_s`` ago, and the place to go on from: ``seen``, its depth and trunk averaged
    with those before."""
    gain, most = 1 - math.exp(-past_s / DEPTH_S), FASTEST_M_S * past_s
    further = min(max(gain * (seen.depth_m - last.depth_m), -most), most)
    depth, trunk = last.depth_m + further, last.trunk_m + gain * (seen.trunk_m - last.trunk_m)
    # Who shows the back looks away from the camera, at a right angle to the trunk.
    away = _FORWARD - trunk * (trunk[2] / max(float(trunk @ trunk), 1e-9))
    away /= max(float(np.linalg.norm(away)), 0.1)
    # Walking d metres moves the sight by d * across / depth and the depth by d * away[2]. The least squares of d lean
    # towards no step where neither tells much.
    across = away - seen.sight * away[2]
    by_sight, by_depth = 1 / POSTURE_M**2, 1 / (DEPTH_ERROR * depth) ** 2
    found = depth * float(across @ (seen.sight - last.sight)) * by_sight + float(away[2]) * further * by_depth
    found /= float(across @ across) * by_sight + float(away[2]) ** 2 * by_depth + 1 / STRIDE_M**2
    return min(max(found, -most), most), Place(sight=seen.sight, depth_m=depth, trunk_m=trunk)
