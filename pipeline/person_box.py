"""Boxes around people: from keypoints, as crops, and how alike two people are.

Boxes are x0, y0, x1, y1 in pixels of the source image, continuous (a pixel is one wide).
"""

from __future__ import annotations

import numpy as np

CONFIDENT = 0.4
"""A point below this confidence is not used as evidence of where somebody is."""
MIN_POINTS = 4
PADDING = 0.08
"""Of the long side of the points' own box, added on every side: the top of the head lies about 7 % of the height above
the eyes, soles and fingertips about 3 % beyond the outermost joints."""
CROP_SCALE = 1.25
"""Side of a crop over the long side of the person's box, as the locator draws it."""
STILL_SCALE = 1.18
"""The same in pictures that stand alone, where no second look follows. By a script that is not kept: OKS 0.534 in place
of 0.528 over 185 people. In the clip of the street fewer people were found with it."""
FOLLOWED_SCALE = 1.12
"""The same for the boxes of people who are followed, which are those of their own points: nearer and steadier."""
SIMILARITY_SCALE = 0.1
"""Distance, in units of a person's size, at which two points count as 0.6 alike; about COCO's for hips and knees."""


def person_box(points_px: np.ndarray, min_confidence: float = CONFIDENT) -> np.ndarray | None:
    """Box of the whole person, as a detector would draw it, from points (P, 3) x, y, confidence; (4,) float32.

    None where fewer than four points are confident.
    """
    seen = points_px[points_px[:, 2] >= min_confidence, :2]
    if len(seen) < MIN_POINTS:
        return None
    low, high = seen.min(axis=0), seen.max(axis=0)
    pad = PADDING * (high - low).max()
    return np.concatenate([low - pad, high + pad]).astype(np.float32)


def enclosing_box(box: np.ndarray, extent_px: np.ndarray, width: int, height: int) -> np.ndarray:
    """A person's box, widened to places (Q, 2) of their estimated body as far as these lie in the picture.

    It grows to at most twice its long side: an estimate that is far off must not take the crop with it.
    """
    extent_px = extent_px[np.isfinite(extent_px).all(1)]
    if not len(extent_px):
        return box
    x0, y0, x1, y1 = box[:4].tolist()
    reach = 0.5 * max(x1 - x0, y1 - y0)
    (left, top), (right, bottom) = extent_px.min(0).tolist(), extent_px.max(0).tolist()
    return np.array(
        [
            max(min(x0, max(left, 0)), x0 - reach),
            max(min(y0, max(top, 0)), y0 - reach),
            min(max(x1, min(right, width)), x1 + reach),
            min(max(y1, min(bottom, height)), y1 + reach),
        ],
        np.float32,
    )


def crop_square(box: np.ndarray, scale: float = CROP_SCALE) -> tuple[np.ndarray, float]:
    """Centre (2,) and side, pixels, of the square that the networks see of a person's box."""
    return (box[:2] + box[2:4]) / 2, scale * float((box[2:4] - box[:2]).max())


def visible_fraction(box: np.ndarray, width: int, height: int) -> float:
    """Part of a box's area that lies in the image, 0..1."""
    x0, y0, x1, y1 = box[:4].tolist()
    inside = max(min(x1, width) - max(x0, 0), 0) * max(min(y1, height) - max(y0, 0), 0)
    return inside / max(max(x1 - x0, 0) * max(y1 - y0, 0), 1e-9)


def keypoint_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """How alike two sets of points (P, 3) lie, 0..1: COCO's object keypoint similarity with one scale for all points.

    Over the points confident in both; 0 where fewer than four are.
    """
    both = (a[:, 2] >= CONFIDENT) & (b[:, 2] >= CONFIDENT)
    if both.sum() < MIN_POINTS:
        return 0.0
    p, q = a[both, :2], b[both, :2]
    # The long side of the larger of the two: a person seen from the side is as large as one seen from the front.
    size = max(float(np.ptp(p, axis=0).max()), float(np.ptp(q, axis=0).max()), 1e-6)
    squared = ((p - q) ** 2).sum(axis=1) / (size * SIMILARITY_SCALE) ** 2
    return float(np.exp(-0.5 * squared).mean())
