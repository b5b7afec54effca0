"""Who shows the back, by the labels: the left shoulder on the body's left in the picture."""

from __future__ import annotations

import numpy as np

from engines.keypoints import COCO_NAMES

BROAD = 0.35
"""Shoulders of somebody seen from behind lie so far apart across the body, in lengths shoulders to hips."""
_LEFT, _RIGHT = ([COCO_NAMES.index(f"{side}_{part}") for part in ("shoulder", "hip")] for side in ("left", "right"))


def shows_back(points: np.ndarray) -> np.ndarray:
    """(N, 17, 3) COCO points and weights, pixels -> (N,) bool; False where a shoulder or a hip is not known."""
    left, right = points[:, _LEFT], points[:, _RIGHT]
    known = (left[..., 2] > 0).all(1) & (right[..., 2] > 0).all(1)
    middle = (left[..., :2] + right[..., :2]) / 2
    up = middle[:, 0] - middle[:, 1]
    # The body's axis turned by a right angle: to the right of the picture where somebody stands upright.
    across = np.stack([-up[:, 1], up[:, 0]], -1) / np.maximum((up**2).sum(-1, keepdims=True), 1e-6)
    return known & (((left[:, 0, :2] - right[:, 0, :2]) * across).sum(-1) < -BROAD)
