"""Photographs behind the rendered people: some that show nobody, and the emptiest part of those that do."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from engines.training.factory.codec import jpeg
from engines.training.photos.tar_shards import OPEN_CLASSES, iterate_jpegs, iterate_photos

PEOPLE_FOLDERS = ("coco_people", "people")
SIDES = (1.0, 0.8, 0.6, 0.45)
"""Of the squares that are tried in a photograph of people, over its short side: the largest that is empty enough."""
SMALLEST_PX = 128
MOST_PEOPLE = 0.25
"""Share of a square that may lie in people's boxes: they stay as bystanders whom nobody labels."""
STEPS = 5
"""Places a square is tried at, across and down."""
JPEG_QUALITY = 90


def load_backgrounds(shared: Path, *, val: bool, licences: Collection[str] = OPEN_CLASSES) -> list[np.ndarray]:
    """JPEG bytes (n,) uint8 of every photograph without people whose licence class is in `licences`, and for training
    of the `emptiest_part` of those with people, where it is empty enough.

    Raises FileNotFoundError where a folder holds no shard, ValueError where there is no photograph.
    """
    split, classes = "val" if val else "train", frozenset(licences)
    backgrounds = [data for data, _ in iterate_jpegs(shared / "data/backgrounds", split, classes)]
    if not val:
        for folder in PEOPLE_FOLDERS:
            for image, record in iterate_photos(shared / "data" / folder, split, classes):
                boxes = [person["box_xyxy"] for person in record["people"]]
                boxes += [box[:4] for box in record["ignore_xyxy_score"]]
                part = emptiest_part(image, np.array(boxes, np.float64).reshape(-1, 4))
                if part is not None:
                    backgrounds.append(jpeg(part, JPEG_QUALITY))
    if not backgrounds:
        raise ValueError(f"no background with a licence class of {sorted(licences)} in {shared}/data/backgrounds")
    return backgrounds


def emptiest_part(image: np.ndarray, boxes_xyxy: np.ndarray) -> np.ndarray | None:
    """The largest square of an image (H, W, 3) that has at most `MOST_PEOPLE` of it in boxes (N, 4), and of these the
    emptiest; None where there is none of `SMALLEST_PX`."""
    height, width = image.shape[:2]
    taken = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1 in boxes_xyxy.clip(0).astype(int):
        taken[y0 : y1 + 1, x0 : x1 + 1] = 1
    sums = cv2.integral(taken)
    for side in (int(share * min(height, width)) for share in SIDES):
        if side < SMALLEST_PX:
            return None
        y, x = (
            np.linspace(0, height - side, STEPS).astype(int)[:, None],
            np.linspace(0, width - side, STEPS).astype(int),
        )
        people = sums[y + side, x + side] - sums[y, x + side] - sums[y + side, x] + sums[y, x]
        row, column = np.unravel_index(people.argmin(), people.shape)
        if people[row, column] <= MOST_PEOPLE * side**2:
            return image[y[row, 0] :, x[column] :][:side, :side]
    return None


def random_patch(image: np.ndarray, size: int, rng: np.random.Generator, smallest: float = 0.5) -> np.ndarray:
    """A random square of an image, at least `smallest` of its short side, mirrored at random -> (size, size, 3)."""
    height, width = image.shape[:2]
    side = max(8, int(min(height, width) * rng.uniform(smallest, 1.0)))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    patch = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(patch[:, ::-1]) if rng.random() < 0.5 else patch


def procedural(size: int, rng: np.random.Generator) -> np.ndarray:
    """Soft coloured noise over a gradient, (size, size, 3) uint8: walls, haze, unfocused rooms."""
    coarse = rng.integers(0, 256, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3)).astype(np.float32)
    noise = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    out = rng.uniform(30, 225, 3) + (noise - 128) * rng.uniform(0.05, 0.6)
    return np.clip(out, 0, 255).astype(np.uint8)


def colour_jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random exposure, white balance and contrast."""
    out = (image.astype(np.float32) - 128) * rng.uniform(0.7, 1.2) + 128
    return np.clip(out * rng.uniform(0.6, 1.25) * rng.uniform(0.93, 1.07, 3), 0, 255).astype(np.uint8)
