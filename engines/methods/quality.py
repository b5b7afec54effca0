"""How far a body may be trusted: its agreement with what the trunk saw, 0..1.

The geometric mean of two agreements, each 0..1: the IoU of the body's silhouette with the segmentation, and over the 24
joints the mean of confidence times exp(-distance / reach), the distance being from the projected joint to its image
point. An outline alone forgives limbs in front of the trunk; points alone forgive what the network was never sure of.

Both together rank MPJPE and PVE better than the outline alone, PA-MPJPE no better: docs/evaluation.md.
"""

from __future__ import annotations

import numpy as np

REACH = 0.1
"""Of the crop's side; 0.05 to 0.2 rank alike."""


def body_quality(
    silhouette_iou: np.ndarray, joints_px: np.ndarray, points_px: np.ndarray, sides_px: np.ndarray
) -> np.ndarray:
    """(B,) 0..1 of silhouette_iou (B,), joints_px (B, 24, 2) of the bodies, points_px (B, 24, 3) x, y, confidence, and
    sides_px (B,) of the crops. NaN where the IoU is."""
    apart = np.linalg.norm(joints_px - points_px[..., :2], axis=-1) / sides_px[:, None]
    agreement = (points_px[..., 2] * np.exp(-apart / REACH)).mean(1)
    return np.sqrt(silhouette_iou * agreement.clip(0, 1))
