"""The locator's candidates on labelled photographs: which of them are people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engines.boxes import overlap
from engines.training.evaluate.locator import MIN_HEIGHT_PX
from engines.training.locator_batches import Photo

MATCH_IOU = 0.4
"""A candidate that overlaps a known person so much is right."""
MAX_CANDIDATES = 10
"""Per photograph, the surest."""


def labelled_candidates(detect: Callable[[np.ndarray], np.ndarray], photo: Photo) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores (N, 5) of candidates, as `engines.locator.Locator.detect` gives them, and (N,) the number of
    the person who stands there among the `large` ones, -1 nobody. Candidates on small or unlabelled people are left
    out."""
    found = detect(photo.image)[:MAX_CANDIDATES]
    iou, _ = overlap(found, photo.boxes)
    _, inside_ignored = overlap(found, photo.ignore)
    big = large(photo)
    rows, persons = [], []
    for row in range(len(found)):
        nearest = int(iou[row].argmax()) if len(photo.boxes) else -1
        if nearest >= 0 and iou[row, nearest] >= MATCH_IOU:
            if big[nearest]:
                rows.append(row)
                persons.append(int(big[:nearest].sum()))
        elif not (len(photo.ignore) and inside_ignored[row].max() > 0.5):
            rows.append(row)
            persons.append(-1)
    return found[rows], np.array(persons, int)


def large(photo: Photo) -> np.ndarray:
    """(N,) bool: whose boxes are high enough to be asked for."""
    heights: np.ndarray = photo.boxes[:, 3] - photo.boxes[:, 1]
    return heights >= MIN_HEIGHT_PX
