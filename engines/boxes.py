"""Boxes x0 y0 x1 y1 of people in a picture: how much they share, and which of them are one person's."""

from __future__ import annotations

import numpy as np


def box_area(boxes: np.ndarray) -> np.ndarray:
    """(..., 4 or more) -> (...), square pixels."""
    return np.prod(np.maximum(boxes[..., 2:4] - boxes[..., :2], 0), axis=-1)


def overlap(boxes: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU of boxes (N, 4 or more) with others (M, 4 or more) and intersection over the first box's own area, (N, M)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:4], others[None, :, 2:4])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area = box_area(boxes)[:, None]
    union = area + box_area(others) - shared
    return shared / np.maximum(union, 1e-6), shared / np.maximum(area, 1e-6)


def suppress(boxes: np.ndarray, max_iou: float) -> np.ndarray:
    """Greedy non-maximum suppression over (N, 5) boxes, best first -> indices kept."""
    apart = overlap(boxes, boxes)[0] < max_iou
    kept = np.ones(len(boxes), bool)
    for index in range(len(boxes)):
        if kept[index]:
            kept[index + 1 :] &= apart[index, index + 1 :]
    return np.flatnonzero(kept)
