"""Boxes of a published detector for people whom nobody labelled.

Photographs show more people than are labelled: those without keypoints are marked as not to be counted, and strangers
far behind are not marked at all. A teacher that is sure of somebody makes a label of them; one that is not, or that
sees somebody where nothing is marked, takes the place out of the loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from engines.boxes import overlap
from engines.training.evaluate.teachers import NanoDet
from engines.training.locator_batches import Photo
from engines.training.stored_arrays import StoredArrays

SURE, POSSIBLE = 0.5, 0.25
"""Scores of the teacher from which on somebody is labelled, and from which on a place counts neither way."""
SAME_IOU, INSIDE = 0.4, 0.7
"""A box with such an IoU, or with so much of it inside another, is of the same person."""


@dataclass(frozen=True, slots=True)
class TeacherBoxes(StoredArrays):
    """What the teacher sees on P photographs."""

    counts: np.ndarray
    """(P,) int32."""
    boxes: np.ndarray
    """(sum of counts, 5) float32: x0 y0 x1 y1 score."""

    @classmethod
    def cached(cls, path: Path, photos: list[Photo], teachers: Path, threads: int = 1) -> TeacherBoxes:
        """From the file, or from the teacher, and then kept there.

        Raises ValueError where the file is of other photographs.
        """
        if path.exists():
            found = cls.load(path)
            if len(found.counts) != len(photos):
                raise ValueError(f"{path} holds boxes of {len(found.counts)} photographs, not {len(photos)}: delete it")
            return found
        teacher = NanoDet(teachers, threads)
        nobody = np.zeros((0, 5), np.float32)
        seen = [
            teacher(photo.image, POSSIBLE) if _has_people(photo) else nobody for photo in tqdm(photos, desc="NanoDet")
        ]
        found = cls(np.array([len(boxes) for boxes in seen], np.int32), np.concatenate(seen).astype(np.float32))
        path.parent.mkdir(parents=True, exist_ok=True)
        found.save(path)
        return found

    def added_to(self, photos: list[Photo]) -> list[Photo]:
        """The photographs with these boxes among theirs; those without any people stay as they are."""
        parts = np.split(self.boxes, np.cumsum(self.counts)[:-1])
        return [
            with_teacher(photo, boxes) if _has_people(photo) else photo
            for photo, boxes in zip(photos, parts, strict=True)
        ]


def _has_people(photo: Photo) -> bool:
    return len(photo.boxes) + len(photo.ignore) > 0


def with_teacher(photo: Photo, boxes: np.ndarray) -> Photo:
    """A photograph and the teacher's boxes (N, 5) on it, together."""
    iou, inside = overlap(boxes[:, :4], photo.boxes)
    new = boxes[((iou < SAME_IOU) & (inside < INSIDE)).all(1)] if len(photo.boxes) else boxes
    sure = new[new[:, 4] >= SURE, :4]
    iou, _ = overlap(photo.ignore, sure)
    left = photo.ignore[(iou < SAME_IOU).all(1)] if len(sure) else photo.ignore
    return Photo(
        photo.image,
        np.concatenate([photo.boxes, sure]).astype(np.float32),
        np.concatenate([left, new[new[:, 4] < SURE, :4]]).astype(np.float32),
    )
