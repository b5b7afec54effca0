"""Batches for the locator: whole photographs, scaled, shifted, mirrored and letterboxed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.training.augment import distort_colours, warp
from engines.training.cutouts import Cutouts
from engines.training.photos.tar_shards import OPEN_CLASSES, iterate_photos
from engines.turned_picture import turned_boxes, turned_picture

STRIDE = 8
_TURNED = 0.05
"""Share of photographs turned by a right angle or two: acrobats, divers, people who lie."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph with its people; one without any is a negative."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    boxes: np.ndarray
    """(N, 4) float32 x0 y0 x1 y1, pixels."""
    ignore: np.ndarray
    """(M, 4) float32: people without labels, crowds."""


@dataclass(frozen=True, slots=True)
class LocatorBatch:
    """B pictures of side S."""

    images: np.ndarray
    """(B, S, S, 3) uint8."""
    heat: np.ndarray
    """(B, S/8, S/8) float32: 1 at centres of people, falling off as a Gaussian."""
    weight: np.ndarray
    """(B, S/8, S/8) float32: 0 where people without label may be."""
    sides: np.ndarray
    """(B, 4, S/8, S/8) float32 px: distances to the box of the person at this cell."""
    sides_weight: np.ndarray
    """(B, S/8, S/8) float32: how much the sides count here."""


def load_photos(
    shared: Path,
    split: str,
    licence_classes: frozenset[str] | None = OPEN_CLASSES,
    folders: tuple[str, ...] = ("coco_people", "people", "backgrounds"),
) -> list[Photo]:
    """All photographs of people and of backgrounds, in memory."""
    return [
        Photo(image, *boxes_of(record))
        for folder in folders
        for image, record in iterate_photos(shared / "data" / folder, split, licence_classes)
    ]


def boxes_of(record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) of the labelled people of a photograph's record, and (M, 4) of those without labels."""
    boxes = np.array([person["box_xyxy"] for person in record["people"]], np.float32).reshape(-1, 4)
    ignore = np.array([row[:4] for row in record.get("ignore_xyxy_score", [])], np.float32).reshape(-1, 4)
    return boxes, ignore


def paint_targets(boxes: np.ndarray, ignore: np.ndarray, cells: int) -> tuple[np.ndarray, ...]:
    """Heat, weight, sides and their weight for boxes in input pixels."""
    heat = np.zeros((cells, cells), np.float32)
    weight = np.ones((cells, cells), np.float32)
    sides = np.ones((4, cells, cells), np.float32)
    sides_weight = np.zeros((cells, cells), np.float32)
    centre = (np.arange(cells) + 0.5) * STRIDE
    for x0, y0, x1, y1 in ignore:
        columns = (centre > x0) & (centre < x1)
        rows = (centre > y0) & (centre < y1)
        weight[np.ix_(rows, columns)] = 0
    for x0, y0, x1, y1 in boxes[np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))]:
        x, y, width, height = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        if not (0 <= x < cells * STRIDE and 0 <= y < cells * STRIDE):
            continue
        if max(width, height) < 2.5 * STRIDE:
            weight[
                max(0, int(y / STRIDE) - 1) : int(y / STRIDE) + 2, max(0, int(x / STRIDE) - 1) : int(x / STRIDE) + 2
            ] = 0
            continue
        sigma_x, sigma_y = max(0.12 * width, 0.45 * STRIDE), max(0.12 * height, 0.45 * STRIDE)
        column, row = min(int(x / STRIDE), cells - 1), min(int(y / STRIDE), cells - 1)
        blob = (
            np.exp(-((centre - centre[column]) ** 2) / (2 * sigma_x**2))
            * np.exp(-((centre - centre[row]) ** 2) / (2 * sigma_y**2))[:, None]
        )
        near = blob > 0.5
        # Smaller people are painted last and own the cells that they share.
        to_sides = ((centre - x0)[None], (centre - y0)[:, None], (x1 - centre)[None], (y1 - centre)[:, None])
        for side, distance in zip(sides, to_sides, strict=True):
            side[near] = np.broadcast_to(distance, near.shape)[near]
        sides_weight[near] = blob[near]
        weight[blob > 0.02] = 1
        heat = np.maximum(heat, blob.astype(np.float32))
    return heat, weight, np.maximum(sides, 1.0), sides_weight


def place(
    rng: np.random.Generator, photo: Photo, size_px: int, around: Photo | None = None, strength: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random view of a photograph: image, boxes and ignored boxes in input pixels.

    Where it leaves the canvas empty, ``around``, a picture without people, fills it, or else black. ``strength``: share
    of the full range of scales and colours.
    """
    if rng.random() < _TURNED:
        photo = quarter_turned(photo, int(rng.integers(1, 4)))
    height, width = photo.image.shape[:2]
    fit = size_px / max(height, width)
    scale = fit * np.exp(strength * rng.uniform(np.log(0.55), np.log(1.7)))
    slack = np.array([size_px - width * scale, size_px - height * scale])
    shift = rng.uniform(0, 1, 2) * slack
    matrix = np.array([[scale, 0, shift[0]], [0, scale * np.exp(rng.normal(0, 0.06)), shift[1]]])
    mirror = rng.random() < 0.5
    if mirror:
        matrix[0] = [-scale, 0, size_px - shift[0]]
    image = warp(photo.image, matrix, size_px)
    if around is not None:
        low = np.clip(np.sort([matrix[:, 2], matrix[:, 2] + np.diag(matrix) * (width, height)], axis=0), 0, size_px)
        (x0, y0), (x1, y1) = low.astype(int)
        canvas = cv2.resize(around.image, (size_px, size_px), interpolation=cv2.INTER_AREA)
        canvas[y0:y1, x0:x1] = image[y0:y1, x0:x1]
        image = canvas
    image = distort_colours(rng, image, strength)

    def move(boxes: np.ndarray) -> np.ndarray:
        moved = boxes.copy()
        moved[:, [0, 2]] = boxes[:, [0, 2]] * matrix[0, 0] + matrix[0, 2]
        moved[:, [1, 3]] = boxes[:, [1, 3]] * matrix[1, 1] + matrix[1, 2]
        if mirror:
            moved[:, [0, 2]] = moved[:, [2, 0]]
        visible = np.clip(moved, 0, size_px)
        area = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
        kept = np.prod(visible[:, 2:] - visible[:, :2], axis=1) > 0.25 * area
        return visible[kept]

    return image, move(photo.boxes), move(photo.ignore)


def quarter_turned(photo: Photo, turns: int) -> Photo:
    """A photograph turned counter-clockwise by ``turns`` times 90 degrees, its boxes with it."""
    height, width = photo.image.shape[:2]
    boxes, ignore = (turned_boxes(boxes, (width, height), turns) for boxes in (photo.boxes, photo.ignore))
    return Photo(turned_picture(photo.image, turns), boxes, ignore)


def draw_locator_batch(
    rng: np.random.Generator,
    photos: list[Photo],
    count: int,
    size_px: int,
    cutouts: Cutouts | None = None,
    strength: float = 1.0,
) -> LocatorBatch:
    """``count`` random views; a fifth are two by two mosaics, and into half of all people are pasted (at full
    ``strength`` of the augmentation)."""
    rows = []
    cells = size_px // STRIDE
    empty = [photo for photo in photos if not len(photo.boxes) and not len(photo.ignore)]
    for _ in range(count):
        if rng.random() < 0.2 * strength:
            half = size_px // 2
            tiles = [place(rng, photos[rng.integers(len(photos))], half, None, strength) for _ in range(4)]
            offsets = np.array([[0, 0], [half, 0], [0, half], [half, half]], np.float32)
            image = np.vstack([np.hstack([tiles[0][0], tiles[1][0]]), np.hstack([tiles[2][0], tiles[3][0]])])
            boxes, ignore = (
                np.concatenate([tile[k] + np.tile(o, 2) for tile, o in zip(tiles, offsets, strict=True)])
                for k in (1, 2)
            )
        else:
            around = empty[rng.integers(len(empty))] if empty and rng.random() < 0.6 else None
            image, boxes, ignore = place(rng, photos[rng.integers(len(photos))], size_px, around, strength)
        if cutouts is not None and rng.random() < 0.5 * strength:
            image, boxes = cutouts.paste(rng, image, boxes)
        rows.append((image, *paint_targets(boxes, ignore, cells)))
    return LocatorBatch(*(np.stack(column) for column in zip(*rows, strict=True)))
