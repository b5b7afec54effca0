"""Closer looks at faces in pictures that stand alone: in a crop of the whole person a face is a few cells of the maps.

Squares around head and shoulders and around the upper body are read as crops of their own. The five points of the face
are then averaged over all looks that have them near the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engines.keypoints import NUM_COCO
from engines.methods.evidence import CropRequest

FACE = slice(5)
"""Of COCO's points: nose, eyes, ears."""
SQUARES = ((slice(7), 2.2), (slice(11), 1.3))
"""Points that a square is laid around, and how many times as large as they it is. Over 185 people of photographs OKS
rose from 0.615 to 0.624 and AP from 41.1 to 42.4 %, half of it by the second; arms or legs closer by gained nothing."""
LEAST_MASS = 0.04
"""Of a point's peak: where squares are laid, weaker points do not count."""
LEAST_POINTS = 3
LEAST_SHARE, LEAST_PX = 0.25, 24.0
"""A square's side, in sizes of the whole person and in pixels."""
WEIGHT = 2.0
"""A closer look counts so many times as much as the first."""
NEAR = 0.08
"""Looks farther apart than this, in roots of the area that a person's points take, saw different things."""


def face_squares(points_px: np.ndarray, request: CropRequest) -> list[CropRequest]:
    """Where to look closer at somebody with points (41, 3) of x, y and the mass of their peaks; none where too few are
    seen."""
    seen = points_px[:NUM_COCO, 2] > LEAST_MASS
    if not seen[FACE].any():
        return []
    squares = []
    size = np.ptp(points_px[:NUM_COCO][seen, :2], axis=0).max()
    for around, scale in SQUARES:
        places = points_px[around][seen[around], :2]
        if len(places) >= LEAST_POINTS:
            side = max(np.ptp(places, axis=0).max() * scale, LEAST_SHARE * size, LEAST_PX)
            center = (places.min(0) + places.max(0)) / 2
            squares.append(replace(request, center_px=center, side_px=float(side), person=None, scales=()))
    return squares


def with_faces(points_px: np.ndarray, looks: Sequence[np.ndarray]) -> np.ndarray:
    """Points (41, 3) of one person, and what closer looks (41, 3) say -> the points with a better face."""
    size = np.sqrt(np.ptp(points_px[:NUM_COCO, :2], axis=0).prod())
    every = np.stack([points_px[FACE], *(look[FACE] for look in looks)])
    weights = np.maximum(every[..., 2], 1e-4) ** 3
    weights[1:] *= WEIGHT
    weights *= np.linalg.norm(every[..., :2] - every[0, :, :2], axis=-1) <= NEAR * size
    better = points_px.copy()
    better[FACE, :2] = (every[..., :2] * weights[..., None]).sum(0) / weights.sum(0)[:, None]
    return better
