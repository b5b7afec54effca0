"""The whole program on a folder of photographs, judged by people's labels: whom it misses counts too.

Over people with five labelled joints or more and a box at least 72 px high, as everywhere in this package. A person's
OKS is that of the body assigned to them, 0 without one; PCK likewise. AP is COCO's own evaluation of keypoints
(pycocotools); bodies on small, unlabelled or crowded people count neither way there.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.metrics import AREA_OF_BOX, oks
from engines.training.evaluate.clips import record_clip
from engines.training.evaluate.locator import MIN_HEIGHT_PX
from engines.training.evaluate.pose_log import read_pose_log
from engines.training.evaluate.teachers import KeypointTeacher
from engines.training.locator_batches import Photo, boxes_of
from engines.training.photos.tar_shards import iterate_photos

MIN_LABELS = 5


@dataclass(frozen=True, slots=True)
class Photograph(Photo):
    """A photograph with the points of its N people."""

    points: np.ndarray
    """(N, 17, 3) float64: x, y in pixels and 1, or 0 where not labelled."""

    @property
    def counted(self) -> np.ndarray:
        """(N,) bool: who is asked for."""
        return (self.points[..., 2].sum(1) >= MIN_LABELS) & (self.boxes[:, 3] - self.boxes[:, 1] >= MIN_HEIGHT_PX)


@dataclass(frozen=True, slots=True)
class Found:
    """B bodies in a photograph."""

    points: np.ndarray
    """(B, 17, 2) pixels."""
    scores: np.ndarray
    """(B,)"""


@dataclass(frozen=True, slots=True)
class PhotoScores:
    """Over all counted people; shares 0..1."""

    people: int
    found: float
    """Share with a body of OKS 0.1 or more."""
    oks: float
    pck: float
    """Within 0.2 torso lengths, over people with a whole torso."""
    average_precision: float


def load_photographs(shared: Path, split: str = "val") -> list[Photograph]:
    """The photographs of ``coco_people``."""
    photographs = []
    for image, record in iterate_photos(shared / "data" / "coco_people", split):
        points = np.array([person["keypoints"] for person in record["people"]], float)
        points[..., 2] = points[..., 2] > 0
        photographs.append(Photograph(image, *boxes_of(record), points))
    return photographs


def run_program(photographs: Sequence[Photograph], folder: Path, flags: Sequence[str]) -> list[Found]:
    """What the program's pose log says of the photographs, written to ``folder`` first. RuntimeError where it fails."""
    pictures = folder / "photographs"
    pictures.mkdir(parents=True, exist_ok=True)
    for index, photograph in enumerate(photographs):
        path = pictures / f"{index:05d}.png"
        if not cv2.imwrite(str(path), photograph.image[..., ::-1]):
            raise OSError(f"could not write {path}")
    log = folder / "photographs.mcap"
    record_clip(pictures, log, ["--quiet", *flags])
    frames = read_pose_log(log)
    return [
        Found(
            np.array([body.coco_px[:, :2] for body in frames[index].bodies]).reshape(-1, 17, 2),
            np.array([body.score for body in frames[index].bodies]),
        )
        for index in range(len(photographs))
    ]


def run_teacher(photographs: Sequence[Photograph], folder: Path) -> list[Found]:
    """NanoDet and MoveNet Thunder, from the ONNX files in ``folder``."""
    teacher = KeypointTeacher(folder)
    people = [teacher(photograph.image, max_people=20) for photograph in photographs]
    return [
        Found(
            np.array([person.keypoints[:, :2] for person in seen]).reshape(-1, 17, 2),
            np.array([person.score * person.keypoints[:, 2].mean() for person in seen]),
        )
        for seen in people
    ]


def similarities(photograph: Photograph, found: Found) -> np.ndarray:
    """(B, N) OKS of every body with every person; 0 with those who have no labels."""
    known = photograph.points[None, ..., 2] > 0
    bodies, truth = np.broadcast_arrays(found.points[:, None], photograph.points[None, ..., :2])
    return np.nan_to_num(oks(bodies, truth, known, photograph.boxes[None]))


def assigned(alike: np.ndarray, least: float = 0.1) -> np.ndarray:
    """(B, N) OKS -> (N,) the body of each person or -1: greedily, the most alike first."""
    body = np.full(alike.shape[1], -1)
    left = alike.copy()
    while left.size and left.max() >= least:
        row, column = np.unravel_index(left.argmax(), left.shape)
        body[column] = row
        left[row], left[:, column] = -1, -1
    return body


def photo_scores(photographs: Sequence[Photograph], found: Sequence[Found]) -> PhotoScores:
    """Bodies of the photographs against their labels."""
    values: list[float] = []
    hits: list[np.ndarray] = []
    for photograph, bodies in zip(photographs, found, strict=True):
        alike = similarities(photograph, bodies)
        body = assigned(alike)
        for person in np.flatnonzero(photograph.counted):
            values.append(alike[body[person], person] if body[person] >= 0 else 0.0)
            xy, known = photograph.points[person, :, :2], photograph.points[person, :, 2] > 0
            if known[[5, 6, 11, 12]].all():
                torso = float(np.linalg.norm(xy[[5, 6]].mean(0) - xy[[11, 12]].mean(0)))
                place = bodies.points[body[person]] if body[person] >= 0 else np.full((17, 2), np.inf)
                hits.append(np.linalg.norm(place - xy, axis=1)[known] < 0.2 * torso)
    return PhotoScores(
        people=len(values),
        found=float((np.array(values) > 0).mean()),
        oks=float(np.mean(values)),
        pck=float(np.concatenate(hits).mean()),
        average_precision=average_precision(photographs, found),
    )


def average_precision(photographs: Sequence[Photograph], found: Sequence[Found]) -> float:
    """COCO's AP of keypoints, OKS 0.5 to 0.95."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for index, (photograph, bodies) in enumerate(zip(photographs, found, strict=True)):
        counted = photograph.counted
        for person, (points, box) in enumerate(zip(photograph.points, photograph.boxes, strict=True)):
            labels.append(_label(index, box, points * (1, 1, 2) if counted[person] else np.zeros((17, 3))))
        labels += [_label(index, box, np.zeros((17, 3))) for box in photograph.ignore]
        for points, score in zip(bodies.points, bodies.scores, strict=True):
            flat = np.column_stack([points, np.ones(17)]).ravel().tolist()
            answers.append({"image_id": index, "category_id": 1, "keypoints": flat, "score": float(score)})
    if not answers:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": index} for index in range(len(photographs))],
            "categories": [{"id": 1}],
            "annotations": [{"id": number + 1, **label} for number, label in enumerate(labels)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(answers), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def _label(image: int, box: np.ndarray, points: np.ndarray) -> dict[str, Any]:
    x0, y0, x1, y1 = box.tolist()
    return {
        "image_id": image,
        "category_id": 1,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": AREA_OF_BOX * (x1 - x0) * (y1 - y0),
        "iscrowd": 0,
        "keypoints": (points * (points[:, 2:] > 0)).ravel().tolist(),
        "num_keypoints": int((points[:, 2] > 0).sum()),
    }
