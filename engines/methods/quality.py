"""How far a body may be trusted, 0..1.

The geometric mean of two agreements with what the trunk saw and of what bodies like it are worth, each 0..1: the IoU of
the body's silhouette with the segmentation; over the 24 joints the mean of confidence times exp(-distance / reach), the
distance being from the projected joint to its image point; and exp(-expected error / reach) (`expected_error`). An
outline alone forgives limbs in front of the trunk, points alone forgive what the network was never sure of, and both
forgive depths, which poses and confidences warn of.

How well all of it ranks errors: docs/evaluation.md.
"""

from __future__ import annotations

import numpy as np

REACH = 0.1
"""Of the crop's side; 0.05 to 0.2 rank alike."""
EXPECTED_REACH_M = 0.1
"""A body expected to be wrong by this keeps a third of it."""


def body_quality(
    silhouette_iou: np.ndarray,
    joints_px: np.ndarray,
    points_px: np.ndarray,
    sides_px: np.ndarray,
    expected_error_m: np.ndarray,
) -> np.ndarray:
    """(B,) 0..1 of silhouette_iou (B,), joints_px (B, 24, 2) of the bodies, points_px (B, 24, 3) x, y, confidence,
    sides_px (B,) of the crops and expected_error_m (B,). NaN where the IoU is."""
    apart = np.linalg.norm(joints_px - points_px[..., :2], axis=-1) / sides_px[:, None]
    agreement = (points_px[..., 2] * np.exp(-apart / REACH)).mean(1)
    return np.cbrt(silhouette_iou * agreement.clip(0, 1) * np.exp(-expected_error_m / EXPECTED_REACH_M))
