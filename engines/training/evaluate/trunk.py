"""Accuracy of the trunk on crops around true boxes: OKS and PCK of COCO's points, depth and silhouette.

As the references of the photographs' own documentation: OKS with area = 0.53 x box area, over people with five labelled
joints or more and a box at least 72 px high; PCK within 0.2 of the distance mid-shoulder to mid-hip, over people
with a whole torso.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.keypoints import NUM_COCO
from engines.metrics import AREA_OF_BOX, COCO_SIGMAS
from engines.training.photos.person_crops import STORED_MARGIN, STORED_SIZE_PX, PersonCrops
from engines.training.trunk_batches import PhotoSource, whole_batches

LIMBS = np.arange(5, 17)

Predict = Callable[[np.ndarray], np.ndarray]
"""(B, S, S, 3) uint8 crops -> (B, >=17, 3) points in crop pixels."""


@dataclass(frozen=True, slots=True)
class PointAccuracy:
    """Over one set of people."""

    people: int
    oks: float
    oks_above_half: float
    pck: float
    pck_limbs: float

    def __str__(self) -> str:
        return (
            f"{self.people} people: OKS {self.oks:.3f} (>0.5: {self.oks_above_half:.1%}) "
            f"PCK@0.2 {self.pck:.1%} limbs {self.pck_limbs:.1%}"
        )


def point_accuracy(predict: Predict, crops: PersonCrops, size_px: int, *, human: bool) -> PointAccuracy:
    """Score ``predict`` on the human-labelled (or the teacher-labelled) people of ``crops``."""
    pick = np.flatnonzero(
        (crops.human == human)
        & ((crops.points[..., 2] > 0).sum(1) >= 5)
        & (crops.box_px[:, 1] / crops.scale >= 72 * human)
    )
    chosen = PersonCrops(*(getattr(crops, name)[pick] for name in PersonCrops.__dataclass_fields__))
    predicted = np.concatenate(
        [predict(b.images)[:, :NUM_COCO, :2] for b in whole_batches(PhotoSource(chosen), 64, size_px)]
    )
    to_network = size_px / (STORED_SIZE_PX / STORED_MARGIN)
    offset = size_px / 2 - STORED_SIZE_PX / 2 * to_network
    truth = chosen.points[..., :2] * to_network + offset
    area = AREA_OF_BOX * (chosen.box_px * to_network).prod(1)
    known = chosen.points[..., 2] > 0
    distance = np.linalg.norm(predicted - truth, axis=-1)
    similarity = np.exp(-(distance**2) / (2 * area[:, None] * (2 * COCO_SIGMAS) ** 2))
    oks = (similarity * known).sum(1) / known.sum(1)
    whole = known[:, [5, 6, 11, 12]].all(1)
    torso = np.linalg.norm(truth[:, [5, 6]].mean(1) - truth[:, [11, 12]].mean(1), axis=-1)
    hit = distance < 0.2 * np.maximum(torso, 1e-3)[:, None]

    def share(columns: np.ndarray) -> float:
        return float(hit[whole][:, columns][known[whole][:, columns]].mean())

    return PointAccuracy(len(pick), float(oks.mean()), float((oks > 0.5).mean()), share(np.arange(17)), share(LIMBS))
