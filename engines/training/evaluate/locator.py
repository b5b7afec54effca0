"""Recall, false alarms and average precision of the locator on labelled photographs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engines.boxes import overlap
from engines.training.locator_batches import Photo

MIN_HEIGHT_PX = 72
MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True)
class DetectionAccuracy:
    """Over one set of photographs; people at least 72 px high count."""

    photos: int
    people: int
    average_precision: float
    recall_at_one_false_alarm: float
    """Recall where there is on average one false alarm a picture."""
    score_at_one_false_alarm: float
    recall_at_tenth: float
    """Recall at one false alarm in ten pictures."""
    score_at_tenth: float

    def __str__(self) -> str:
        return (
            f"{self.photos} photos, {self.people} people: AP50 {self.average_precision:.3f} recall "
            f"{self.recall_at_one_false_alarm:.1%} at 1 FA/image (score {self.score_at_one_false_alarm:.2f}), "
            f"{self.recall_at_tenth:.1%} at 0.1 (score {self.score_at_tenth:.2f})"
        )


class Detector(Protocol):
    """`engines.locator.Locator` or what is measured beside it."""

    def detect(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 5) x0 y0 x1 y1 score, best first."""


def detection_accuracy(locator: Detector, photos: list[Photo]) -> DetectionAccuracy:
    """Greedy matching by score; a detection on a small or unlabelled person is neither right nor wrong."""
    scores: list[float] = []
    right: list[bool] = []
    people = 0
    for photo in photos:
        found = locator.detect(photo.image)
        big = (photo.boxes[:, 3] - photo.boxes[:, 1]) >= MIN_HEIGHT_PX
        people += int(big.sum())
        iou, _ = overlap(found, photo.boxes)
        _, inside_ignored = overlap(found, photo.ignore)
        taken = np.zeros(len(photo.boxes), bool)
        for row in range(len(found)):
            free = np.where(taken, 0, iou[row]) if len(photo.boxes) else np.zeros(0)
            best = int(free.argmax()) if len(free) else -1
            if best >= 0 and free[best] >= MATCH_IOU:
                taken[best] = True
                if not big[best]:
                    continue
                right.append(True)
            elif len(photo.ignore) and inside_ignored[row].max() > 0.5:
                continue
            else:
                right.append(False)
            scores.append(float(found[row, 4]))
    order = np.argsort(-np.array(scores))
    hits = np.array(right, bool)[order]
    sorted_scores = np.array(scores)[order]
    true_positives, false_positives = np.cumsum(hits), np.cumsum(~hits)
    recall, precision = true_positives / people, true_positives / np.maximum(true_positives + false_positives, 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average_precision = float((np.diff(np.concatenate([[0], recall])) * envelope).sum())

    def at(rate: float) -> tuple[float, float]:
        last = int(np.searchsorted(false_positives, rate * len(photos), side="right")) - 1
        return (float(recall[last]), float(sorted_scores[last])) if last >= 0 else (0.0, 1.0)

    return DetectionAccuracy(len(photos), people, average_precision, *at(1.0), *at(0.1))
