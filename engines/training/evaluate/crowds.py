"""Do people who overlap exchange limbs?  ``python -m engines.training.evaluate.crowds``

Two kinds of crowds: rendered people of the validation shard, two to four cut out and pasted over one another onto
photographs without people; and photographs of `coco_people/val` in which labelled people overlap. A limb point counts
as swapped if it lies beyond reach of its true place and within reach of the same limb, left or right, of another
person. Reach is 6 % of the long side of the box of the person whose limb it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engines.boxes import overlap
from engines.camera import Intrinsics
from engines.keypoints import NUM_COCO
from engines.methods.evidence import CropRequest
from engines.methods.trunk_method import load_trunk
from engines.training.factory.backgrounds import load_backgrounds
from engines.training.factory.cropview import STORED_PADDING
from engines.training.factory.shards import CROP_PX
from engines.training.photos.person_crops import CROP_PADDING
from engines.training.photos.tar_shards import iterate_photos
from engines.training.synthetic_source import SyntheticSource

CANVAS_PX = 480
LIMBS = tuple(range(5, 17))
REACH = 0.06
MIN_OVERLAP = 0.1
"""Two people overlap if their boxes' intersection is at least so much of the smaller one's."""
HIDDEN, VISIBLE = 0.5, 1.0

PointsOf = Callable[[list[CropRequest]], np.ndarray]
"""Crops of one picture -> (B, 41, 3) points, source pixels."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A picture and the P people in it who are measured."""

    image: np.ndarray
    points: np.ndarray
    """(P, 17, 3) pixels; 1 visible, less: hidden, 0 unknown."""
    boxes: np.ndarray
    """(P, 4) pixels."""
    squares: np.ndarray
    """(P, 3) centre and side of the trunk's crops."""


@dataclass(frozen=True, slots=True)
class Swaps:
    """Shares over the known limb points of all crowds."""

    crowds: int
    points: int
    swapped: float
    swapped_visible: float
    swapped_hidden: float
    right: float
    """Within reach of the true place."""

    def __str__(self) -> str:
        return (
            f"{self.crowds} crowds, {self.points} limb points: swapped {self.swapped:.2%} (visible "
            f"{self.swapped_visible:.2%}, hidden {self.swapped_hidden:.2%}), in reach of the truth {self.right:.1%}"
        )


def pasted_crowds(source: SyntheticSource, photos: list[np.ndarray], count: int, seed: int = 0) -> list[Crowd]:
    """``count`` crowds of two to four whole people; ``photos`` are backgrounds as JPEG bytes."""
    rng = np.random.default_rng(seed)
    whole = [index for index in range(len(source)) if _is_whole(source, index)]
    if len(whole) < 4:
        raise ValueError(f"{len(whole)} people of the shard are seen whole, a crowd needs 4; render a larger shard")
    return [_paste(rng, source, photos, whole) for _ in range(count)]


def _is_whole(source: SyntheticSource, index: int) -> bool:
    shard, row = source.at(index)
    return bool((shard.points[row, :, 2] == 1).mean() > 0.7 and (shard.points[row, :, 2] > 0).all())


def _paste(rng: np.random.Generator, source: SyntheticSource, photos: list[np.ndarray], whole: list[int]) -> Crowd:
    photo = cv2.imdecode(photos[rng.integers(len(photos))], cv2.IMREAD_COLOR_RGB)
    image = cv2.resize(np.asarray(photo), (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    people: list[np.ndarray] = []
    squares = []
    middle = np.array([CANVAS_PX / 2, CANVAS_PX / 2])
    for index in rng.choice(whole, int(rng.integers(2, 5)), replace=False):
        shard, row = source.at(int(index))
        scale = rng.uniform(0.85, 1.2)
        box_width = np.ptp(shard.points[row, :, 0]) * scale
        # Boxes stand side by side at a third to a whole of their width: arms and legs overlap, bodies in part.
        aside = rng.choice((-1, 1)) * rng.uniform(0.3, 0.9) * max(box_width, 30)
        middle = (middle + np.array([aside, rng.normal(0, 8)])).clip(120, CANVAS_PX - 120)
        shift = middle - scale * CROP_PX / 2
        matrix = np.array([[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]])
        mask = cv2.resize((shard.parts(row) > 0).astype(np.float32), (CROP_PX, CROP_PX))
        alpha = cv2.warpAffine(mask, matrix, (CANVAS_PX, CANVAS_PX)).clip(0, 1)
        person = cv2.warpAffine(shard.image(row), matrix, (CANVAS_PX, CANVAS_PX)).astype(np.float32)
        image += alpha[..., None] * (person - image)
        for other in people:
            at = np.floor(other[:, :2]).astype(int).clip(0, CANVAS_PX - 1)
            other[alpha[at[:, 1], at[:, 0]] > 0.5, 2] = HIDDEN
        points = np.array(shard.points[row, :NUM_COCO], np.float32)
        points[:, :2] = points[:, :2] * scale + shift
        people.append(points)
        squares.append((*middle, scale * CROP_PX / STORED_PADDING))
    points = np.stack(people)
    boxes = np.concatenate([points[..., :2].min(1), points[..., :2].max(1)], 1)
    return Crowd(np.round(image).astype(np.uint8), points, boxes, np.array(squares))


def photo_crowds(shared: Path, split: str = "val") -> list[Crowd]:
    """Labelled people (five points or more, 72 px high) of `coco_people` who overlap, with the picture they are in."""
    found = []
    for image, record in iterate_photos(shared / "data" / "coco_people", split):
        people = [
            (np.array(p["keypoints"], np.float32), np.array(p["box_xyxy"], np.float32))
            for p in record["people"]
            if sum(k[2] > 0 for k in p["keypoints"]) >= 5 and p["box_xyxy"][3] - p["box_xyxy"][1] >= 72
        ]
        if len(people) < 2:
            continue
        points, boxes = (np.stack(column) for column in zip(*people, strict=True))
        _, shares = overlap(boxes, boxes)
        np.fill_diagonal(shares, 0)
        close = np.maximum(shares, shares.T).max(1) >= MIN_OVERLAP
        if close.sum() < 2:
            continue
        points, boxes = points[close], boxes[close]
        points[..., 2] = np.where(points[..., 2] >= 1, VISIBLE, HIDDEN * (points[..., 2] > 0))
        middle, long = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(1)
        found.append(Crowd(image, points, boxes, np.column_stack([middle, CROP_PADDING * long])))
    return found


def count_swaps(crowd: Crowd, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For the P x 12 limb points: known, visible, swapped and right, bool; ``found`` (P, >= 17, 2+) pixels."""
    limbs = list(LIMBS)
    true = crowd.points[:, limbs]
    reach = REACH * (crowd.boxes[:, 2:] - crowd.boxes[:, :2]).max(1)
    seen = found[:, limbs, :2]
    known = true[..., 2] > 0
    right = known & (np.linalg.norm(seen - true[..., :2], axis=-1) <= reach[:, None])
    swapped = np.zeros_like(known)
    for one in range(len(true)):
        for other in range(len(true)):
            if one == other:
                continue
            for side in (np.arange(len(limbs)), np.arange(len(limbs)) ^ 1):  # the same limb, the other side's
                apart = np.linalg.norm(seen[one] - true[other, side, :2], axis=-1)
                swapped[one] |= known[other, side] & (apart <= reach[other])
    return known, true[..., 2] >= VISIBLE, known & swapped & ~right, right


def requests_of(crowd: Crowd) -> list[CropRequest]:
    """The crops of a crowd's people."""
    camera = Intrinsics.from_fov(crowd.image.shape[1], crowd.image.shape[0])
    return [
        CropRequest(image=crowd.image, center_px=square[:2], side_px=float(square[2]), intrinsics=camera)
        for square in crowd.squares
    ]


def measure_swaps(crowds: list[Crowd], points_of: PointsOf) -> Swaps:
    """Of all crowds together."""
    rows = [np.stack(count_swaps(crowd, points_of(requests_of(crowd)))) for crowd in crowds]
    known, visible, swapped, right = np.concatenate([row.reshape(4, -1) for row in rows], 1)

    def share(hit: np.ndarray, of: np.ndarray) -> float:
        return float(hit[of].mean()) if of.any() else float("nan")

    return Swaps(
        len(crowds), int(known.sum()), share(swapped, known), share(swapped, known & visible),
        share(swapped, known & ~visible), share(right, known),
    )  # fmt: skip


def crowd_table(
    source: SyntheticSource | None, shared: Path, count: int, preset: str, threads: int
) -> dict[str, Swaps]:
    """Both kinds of crowds, each crop read alone and with `engines.methods.grouping`."""
    reader = load_trunk(preset, "openvino", "auto", threads, mirror=True)
    kinds = {"photographs": photo_crowds(shared)}
    if source is not None:
        kinds["pasted"] = pasted_crowds(source, load_backgrounds(shared, val=True), count)
    table = {}
    for kind, crowds in kinds.items():
        for name, part in (("each alone", False), ("parted", True)):

            def points_of(requests: list[CropRequest], part: bool = part) -> np.ndarray:
                crops = reader.crops(requests)
                evidence = reader.read(reader.infer(crops), crops, requests)
                return (reader.part(evidence, requests) if part else evidence).points_px

            table[f"{kind}, {name}"] = measure_swaps(crowds, points_of)
    reader.engine.close()
    return table


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.crowds", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, help="folder of factory shards, for pasted crowds")
    parser.add_argument("--count", type=int, default=150, help="pasted crowds")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    source = SyntheticSource(args.synthetic, "val") if args.synthetic else None
    table = crowd_table(source, args.shared, args.count, args.preset, args.threads)
    for name, swaps in table.items():
        print(f"{name:30s} {swaps}")
    if args.json:
        from dataclasses import asdict

        args.json.write_text(json.dumps({name: asdict(swaps) for name, swaps in table.items()}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
