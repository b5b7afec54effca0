"""Which box is whose: suppression of duplicates and assignment of detections to tracks."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from engines.boxes import box_area, overlap

DUPLICATE_IOU = 0.55
"""Two detections that overlap more are one person."""
FORBIDDEN = 1e6


PART_OF_PERSON = 0.75
"""A candidate of whose box so much lies in somebody's box is thought to be a part of them ..."""
SURE_DETECTION = 0.45
"""... unless the locator is as sure as this."""


def distinct_detections(boxes: np.ndarray, min_score: float) -> np.ndarray:
    """Detections (N, 5) x0 y0 x1 y1 score -> those that are finite, large enough to be a box, sure and not duplicates.

    Best first.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 5)
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 4] >= min_score) & (box_area(boxes) >= 1)
    boxes = boxes[usable]
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")]
    iou = overlap(boxes, boxes)[0]
    kept: list[int] = []
    for index in range(len(boxes)):
        if not kept or iou[index, kept].max() <= DUPLICATE_IOU:
            kept.append(index)
    return boxes[kept]


def not_parts(candidates: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Which of the candidates (N, 5), best first, are more than a part of a person (M, 4) or of a better candidate.

    Locators like to find the upper half of somebody once more. (N,) bool; one that is sure of itself counts always.
    """
    kept = np.ones(len(candidates), bool)
    for index, candidate in enumerate(candidates):
        if candidate[4] >= SURE_DETECTION:
            continue
        others = np.concatenate([people.reshape(-1, 4), candidates[:index][kept[:index], :4]])
        kept[index] = not (overlap(candidate[None], others)[1] > PART_OF_PERSON).any()
    return kept


def box_costs(tracks: np.ndarray, detections: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Cost (T, D) of taking a detection for a track: 0 (same box) .. about 2; `FORBIDDEN` where it cannot be.

    Half of it is the boxes' lack of overlap, half the distance of their centres over the track's ``reach`` (T,), in
    units of its size: how far it may have strayed. Sizes that differ by more than a factor of two exclude each other.
    """
    size_t = np.maximum((tracks[:, 2:4] - tracks[:, :2]).max(axis=1), 1e-6)
    size_d = np.maximum((detections[:, 2:4] - detections[:, :2]).max(axis=1), 1e-6)
    centre_t, centre_d = (tracks[:, :2] + tracks[:, 2:4]) / 2, (detections[:, :2] + detections[:, 2:4]) / 2
    distance = np.linalg.norm(centre_t[:, None] - centre_d[None], axis=-1) / (size_t * reach)[:, None]
    scale = np.abs(np.log2(size_d[None] / size_t[:, None]))
    cost = 0.5 * (1 - overlap(tracks, detections)[0]) + 0.5 * distance + 0.5 * scale
    return np.where((distance > 1) | (scale > 1), FORBIDDEN, cost)


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; forbidden pairs are left out."""
    rows, columns = linear_sum_assignment(costs)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if costs[r, c] < FORBIDDEN]
