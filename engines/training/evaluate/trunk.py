"""Accuracy of the trunk on crops around true boxes: OKS and PCK of COCO's points, depth and silhouette.

As the references of the photographs' own documentation: OKS with area = 0.53 x box area, over people with five labelled
joints or more and a box at least 72 px high; PCK within 0.2 of the distance mid-shoulder to mid-hip, over people
with a whole torso.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines.keypoints import COCO_NAMES, NUM_COCO
from engines.metrics import AREA_OF_BOX, COCO_SIGMAS
from engines.training.photos.person_crops import CROP_PADDING, STORED_MARGIN, STORED_SIZE_PX, PersonCrops
from engines.training.trunk_batches import PhotoSource, whole_batches

LIMBS = np.arange(5, 17)
STILL_PADDING = 1.18
"""`pipeline.person_box.STILL_SCALE`: how the program cuts people out of pictures that stand alone."""

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


@dataclass(frozen=True, slots=True)
class PointScores:
    """Of N people, in crop pixels of the network."""

    row: np.ndarray
    """(N,) in the `PersonCrops`."""
    predicted: np.ndarray
    """(N, 17, 2)"""
    truth: np.ndarray
    """(N, 17, 3): x, y, weight of the label; COCO's hidden points have 0.7."""
    height_px: np.ndarray
    """(N,) of the person's box in the photograph."""
    oks: np.ndarray
    """(N,)"""
    hit: np.ndarray
    """(N, 17) bool: within 0.2 torso lengths; means something where the torso is `whole`."""
    whole: np.ndarray
    """(N,) bool."""

    @property
    def known(self) -> np.ndarray:
        """(N, 17) bool."""
        return self.truth[..., 2] > 0

    def pck(self, chosen: np.ndarray) -> float:
        """Share of hits among the ``chosen`` (N, 17) known points of whole torsos; NaN for none."""
        counted = chosen & self.known & self.whole[:, None]
        return float(self.hit[counted].mean()) if counted.any() else float("nan")


def score_points(
    predict: Predict, crops: PersonCrops, size_px: int, *, human: bool, padding: float = CROP_PADDING
) -> PointScores:
    """Score ``predict`` on the human-labelled (or the teacher-labelled) people of ``crops``, in squares ``padding``
    times as large as the long side of their boxes."""
    pick = np.flatnonzero(
        (crops.human == human)
        & ((crops.points[..., 2] > 0).sum(1) >= 5)
        & (crops.box_px[:, 1] / crops.scale >= 72 * human)
    )
    chosen = crops.of(pick)
    predicted = np.concatenate(
        [predict(b.images)[:, :NUM_COCO, :2] for b in whole_batches(PhotoSource(chosen, padding), 64, size_px)]
    )
    to_network = size_px / (STORED_SIZE_PX / STORED_MARGIN) * CROP_PADDING / padding
    offset = size_px / 2 - STORED_SIZE_PX / 2 * to_network
    truth = chosen.points[..., :2] * to_network + offset
    area = AREA_OF_BOX * (chosen.box_px * to_network).prod(1)
    known = chosen.points[..., 2] > 0
    distance = np.linalg.norm(predicted - truth, axis=-1)
    similarity = np.exp(-(distance**2) / (2 * area[:, None] * (2 * COCO_SIGMAS) ** 2))
    torso = np.linalg.norm(truth[:, [5, 6]].mean(1) - truth[:, [11, 12]].mean(1), axis=-1)
    return PointScores(
        row=pick,
        predicted=predicted,
        truth=np.concatenate([truth, chosen.points[..., 2:]], -1),
        height_px=chosen.box_px[:, 1] / chosen.scale,
        oks=(similarity * known).sum(1) / known.sum(1),
        hit=distance < 0.2 * np.maximum(torso, 1e-3)[:, None],
        whole=np.asarray(known[:, [5, 6, 11, 12]].all(1)),
    )


def point_accuracy(predict: Predict, crops: PersonCrops, size_px: int, *, human: bool) -> PointAccuracy:
    """`score_points`, summed up."""
    return summed_up(score_points(predict, crops, size_px, human=human))


def summed_up(scores: PointScores) -> PointAccuracy:
    """Means over all people."""
    limbs = np.isin(np.arange(NUM_COCO), LIMBS)[None] & scores.known
    return PointAccuracy(
        len(scores.row),
        float(scores.oks.mean()),
        float((scores.oks > 0.5).mean()),
        scores.pck(scores.known),
        scores.pck(limbs),
    )


def breakdown(scores: PointScores) -> dict[str, float]:
    """PCK per point and of visible and hidden ones; OKS by height and by how much is labelled or hidden."""
    everywhere = np.ones_like(scores.known)
    out = {
        f"PCK {name}": scores.pck(everywhere & (np.arange(NUM_COCO) == point)) for point, name in enumerate(COCO_NAMES)
    }
    visible = scores.truth[..., 2] > 0.9
    out |= {"PCK visible": scores.pck(visible), "PCK hidden": scores.pck(~visible)}
    for low, high in ((0, 128), (128, 224), (224, 10_000)):
        rows = (scores.height_px >= low) & (scores.height_px < high)
        out[f"OKS {low}-{high} px" if high < 10_000 else f"OKS from {low} px"] = _mean(scores.oks[rows])
    labelled = scores.known.sum(1)
    out["OKS 5-10 points known"], out["OKS 11-17 points known"] = (
        _mean(scores.oks[labelled <= 10]), _mean(scores.oks[labelled > 10]),
    )  # fmt: skip
    hidden = (scores.known & ~visible).sum(1) / labelled
    out["OKS up to 1/4 hidden"], out["OKS more hidden"] = (
        _mean(scores.oks[hidden <= 0.25]),
        _mean(scores.oks[hidden > 0.25]),
    )
    return out


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
