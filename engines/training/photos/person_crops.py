"""Person crops of the photographs, cut once and kept as one array each: training reads them at memory speed.

A stored crop shows `STORED_MARGIN` times the square that the trunk will see, so that augmentation may shift, scale and
rotate without running out of picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from engines.training.photos.tar_shards import OPEN_CLASSES, iterate_photos

STORED_SIZE_PX = 384
STORED_MARGIN = 1.5
CROP_PADDING = 1.25
"""Side of the trunk's square over the long side of the person's box."""

MASK_SIZE_PX = 96
MIN_POINTS = 5
MIN_BOX_PX = 56


@dataclass(frozen=True)
class PersonCrops:
    """N people of photographs."""

    images: np.ndarray
    """(N, 384, 384, 3) uint8 RGB; outside the photograph black."""
    points: np.ndarray
    """(N, 17, 3) float32: x, y in stored-crop pixels, weight 0..1 (0: unknown)."""
    box_px: np.ndarray
    """(N, 2) float32: width and height of the person's box in stored-crop pixels."""
    masks: np.ndarray
    """(N, 96, 96) uint8: 1 the person, 0 not, 255 unknown (also outside the photograph)."""
    human: np.ndarray
    """(N,) bool: labelled by people (COCO) rather than by a teacher network."""
    scale: np.ndarray
    """(N,) float32: stored-crop pixels per pixel of the photograph."""

    def of(self, rows: np.ndarray) -> PersonCrops:
        """Some of the people, in this order."""
        return PersonCrops(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def cut_crops(shared: Path, split: str, licence_classes: frozenset[str] | None = OPEN_CLASSES) -> PersonCrops:
    """Cut every labelled person of ``coco_people`` and ``people``."""
    images, points, boxes, masks, human, scales = [], [], [], [], [], []
    for folder in ("coco_people", "people"):
        for image, record in tqdm(iterate_photos(shared / "data" / folder, split, licence_classes), desc=folder):
            for person in record["people"]:
                keypoints = np.asarray(person["keypoints"], np.float32)
                weight = np.where(keypoints[:, 2] > 0.3, keypoints[:, 2], 0.0)
                if folder == "people":
                    weight = np.minimum(1.0, weight + 0.3) * (weight > 0)
                x0, y0, x1, y1 = person["box_xyxy"]
                if (weight > 0).sum() < MIN_POINTS or max(x1 - x0, y1 - y0) < MIN_BOX_PX:
                    continue
                side = max(x1 - x0, y1 - y0) * CROP_PADDING * STORED_MARGIN
                scale = STORED_SIZE_PX / side
                centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
                shift = STORED_SIZE_PX / 2 - scale * centre
                # cv2 counts from pixel centres, this project from pixel corners: half a pixel each way.
                matrix = np.array([[scale, 0, shift[0] + 0.5 * scale - 0.5], [0, scale, shift[1] + 0.5 * scale - 0.5]])
                interpolation = cv2.INTER_AREA if scale < 0.6 else cv2.INTER_LINEAR
                crop = cv2.warpAffine(image, matrix, (STORED_SIZE_PX, STORED_SIZE_PX), flags=interpolation)
                images.append(crop)
                # Labels count from the first pixel's centre (0, 0): half a pixel to ours.
                xy = (keypoints[:, :2] + (0.5 if folder == "people" else 0.0)) * scale + shift
                points.append(np.concatenate([xy, weight[:, None]], 1))
                boxes.append(((x1 - x0) * scale, (y1 - y0) * scale))
                masks.append(_mask(person.get("mask_rle"), matrix))
                human.append(folder == "coco_people")
                scales.append(scale)
    return PersonCrops(
        np.stack(images),
        np.stack(points).astype(np.float32),
        np.array(boxes, np.float32),
        np.stack(masks),
        np.array(human),
        np.array(scales, np.float32),
    )


def _mask(run_lengths: dict | None, matrix: np.ndarray) -> np.ndarray:
    if not run_lengths:
        return np.full((MASK_SIZE_PX, MASK_SIZE_PX), 255, np.uint8)
    from pycocotools import mask as coco_mask

    mask = coco_mask.decode({"size": run_lengths["size"], "counts": run_lengths["counts"].encode()})
    shrink = np.diag([MASK_SIZE_PX / STORED_SIZE_PX] * 2) @ matrix
    return cv2.warpAffine(
        mask,
        shrink,
        (MASK_SIZE_PX, MASK_SIZE_PX),
        flags=cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255,
    )


def load_crops(cache: Path, shared: Path, split: str, *, everything: bool = False) -> PersonCrops:
    """Crops from the cache, cut on the first call; the pictures are memory-mapped."""
    folder = Path(cache) / f"person-crops-{STORED_SIZE_PX}-{split}{'-all' if everything else ''}"
    names = ("images", "points", "box_px", "masks", "human", "scale")
    if not (folder / "scale.npy").exists():
        folder.mkdir(parents=True, exist_ok=True)
        crops = cut_crops(Path(shared), split, None if everything else OPEN_CLASSES)
        for name in names:
            np.save(folder / f"{name}.npy", getattr(crops, name))
    return PersonCrops(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))
