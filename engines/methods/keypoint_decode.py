"""Outputs of foreign keypoint networks -> points in fractions of what they saw, with a confidence 0..1.

The three forms that are in use: coordinates (MoveNet), heatmaps with a bump per point (ViTPose, HRNet), and SimCC
(Li et al., ECCV 2022; RTMPose): one classification along each axis.
"""

from __future__ import annotations

import numpy as np

from engines.keypoints import NUM_COCO
from engines.methods.keypoint_form import KeypointForm


def decode_keypoints(outputs: list[np.ndarray], form: KeypointForm) -> np.ndarray:
    """Outputs of one batch, in the order `form` names them -> (B, 17, 3) float32: x, y as fractions of the input's
    sides (0 at its left and upper edges), confidence. Raises ValueError where shapes do not fit the form."""
    if form.form == "points":
        points = _points(outputs[0], form)
    elif form.form == "heatmaps":
        points = _heatmaps(outputs[0], form.cell)
    else:
        points = _simcc(outputs[0], outputs[1])
    confidence = 1 / (1 + np.exp(-points[..., 2])) if form.logits else points[..., 2]
    points[..., 2] = np.clip(confidence * form.confidence, 0, 1)
    broken = ~np.isfinite(points).all(-1)
    points[broken] = 0
    return points.astype(np.float32)


def _points(output: np.ndarray, form: KeypointForm) -> np.ndarray:
    rows = output.reshape(len(output), -1)
    if rows.shape[1] % 3 or rows.shape[1] < 3 * NUM_COCO:
        raise ValueError(f"the output has shape {output.shape}, points need 17 or more rows of x, y, confidence")
    points = rows.reshape(len(output), -1, 3)[:, :NUM_COCO].astype(np.float64)
    if form.order == "yxc":
        points = points[..., [1, 0, 2]]
    if form.unit == "pixels":
        points[..., :2] /= form.input
    return points


def _heatmaps(output: np.ndarray, cell: float) -> np.ndarray:
    """The peak, refined by the parabola through the logarithms around it: exact where the bump is a Gaussian."""
    if output.ndim != 4 or output.shape[1] < NUM_COCO or min(output.shape[2:]) < 3:
        raise ValueError(f"the output has shape {output.shape}, heatmaps are (N, 17 or more, h, w)")
    maps = output[:, :NUM_COCO].astype(np.float64)
    batch, points, height, width = maps.shape
    peak_y, peak_x = np.divmod(maps.reshape(batch, points, -1).argmax(-1), width)
    b, p = np.ogrid[:batch, :points]
    at = {
        axis: [
            maps[
                b,
                p,
                (peak_y + (axis == 1) * step).clip(0, height - 1),
                (peak_x + (axis == 0) * step).clip(0, width - 1),
            ]
            for step in (-1, 0, 1)
        ]
        for axis in (0, 1)
    }
    return np.stack(
        [
            (peak_x + cell + _vertex(*at[0])) / width,
            (peak_y + cell + _vertex(*at[1])) / height,
            at[0][1],
        ],
        -1,
    )


def _vertex(before: np.ndarray, middle: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where between -0.5 and 0.5 the parabola through three logarithms has its top."""
    floor = np.maximum(middle, 1e-9) * 1e-3
    left, top, right = (np.log(np.maximum(value, floor)) for value in (before, middle, after))
    return np.clip((right - left) / (2 * np.maximum(2 * top - left - right, 1e-6)), -0.5, 0.5)


def _simcc(along_x: np.ndarray, along_y: np.ndarray) -> np.ndarray:
    for output in (along_x, along_y):
        if output.ndim != 3 or output.shape[1] < NUM_COCO:
            raise ValueError(f"an output has shape {output.shape}, simcc needs (N, 17 or more, bins) for each axis")
    x, y = along_x[:, :NUM_COCO], along_y[:, :NUM_COCO]
    # A point is as sure as the less sure of its coordinates.
    confidence = np.minimum(x.max(-1), y.max(-1))
    return np.stack([(x.argmax(-1) + 0.5) / x.shape[-1], (y.argmax(-1) + 0.5) / y.shape[-1], confidence], -1)
