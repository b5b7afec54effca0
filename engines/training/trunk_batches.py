"""Batches for the trunk: real photographs with 2D labels mixed with rendered people that have everything.

A sample supervises only what it has: weights say how much each label counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engines.keypoints import NUM_COCO, NUM_POINTS, PART_MIRROR, POINT_MIRROR
from engines.training import augment
from engines.training.augment import AugmentRanges
from engines.training.photos.person_crops import CROP_PADDING, STORED_MARGIN, PersonCrops

PART_UNKNOWN, PART_SOME_PERSON = 255, 254
"""Values of part maps: nothing known here; some part of the person, unknown which."""
OUTSIDE_PX = -1e4
"""A point outside the source picture is moved here, outside every crop: the trunk must not be sure of any place."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One crop as stored, before augmentation; ``margin`` as in `person_crops.STORED_MARGIN`."""

    image: np.ndarray
    points: np.ndarray
    """(41, 3) float32: stored-crop pixels and weight (0: unknown)."""
    depth: np.ndarray
    """(41,) float32 metres relative to the pelvis; NaN unknown."""
    parts: np.ndarray
    """(h, w) uint8 part classes of the stored crop, or `PART_UNKNOWN`, `PART_SOME_PERSON`."""
    margin: float


class SampleSource(Protocol):
    """A set of crops."""

    def __len__(self) -> int: ...
    def sample(self, index: int) -> Sample: ...


class PhotoSource:
    """Real photographs: COCO's 17 points, and for some people a mask.

    ``padding``: side of the trunk's square over the long side of the person's box. ``rows``: which people, as often as
    they are named, default each once.
    """

    def __init__(self, crops: PersonCrops, padding: float = CROP_PADDING, rows: np.ndarray | None = None) -> None:
        self.crops = crops
        self._rows = np.arange(len(crops.images)) if rows is None else rows
        self._margin = STORED_MARGIN * CROP_PADDING / padding

    def __len__(self) -> int:
        return len(self._rows)

    def sample(self, index: int) -> Sample:
        index = int(self._rows[index])
        points = np.zeros((NUM_POINTS, 3), np.float32)
        points[:NUM_COCO] = self.crops.points[index]
        mask = np.asarray(self.crops.masks[index])
        parts = np.where(mask == 1, PART_SOME_PERSON, mask).astype(np.uint8)
        return Sample(self.crops.images[index], points, np.full(NUM_POINTS, np.nan, np.float32), parts, self._margin)


@dataclass(frozen=True, slots=True)
class TrunkBatch:
    """B augmented crops of side S."""

    images: np.ndarray
    """(B, S, S, 3) uint8 RGB."""
    points: np.ndarray
    """(B, 41, 3) float32: crop pixels, weight."""
    depth: np.ndarray
    """(B, 41) float32, NaN unknown."""
    parts: np.ndarray
    """(B, S/4, S/4) uint8."""


def augment_sample(
    rng: np.random.Generator, sample: Sample, size_px: int, ranges: AugmentRanges, donor: SampleSource
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One sample at network size: image, points, depth, parts."""
    stored = sample.image.shape[0]
    matrix, mirror = augment.crop_transform(rng, stored, sample.margin, size_px, sample.points[:NUM_COCO], ranges)
    image = augment.warp(sample.image, matrix, size_px)
    if rng.random() < ranges.occluder_probability:
        image = augment.occlude(rng, image, donor.sample(int(rng.integers(len(donor)))).image)
    image = augment.distort_colours(rng, image, ranges.colour)
    points, depth = augment.move_points(sample.points, matrix), sample.depth
    cells, stored_cells = size_px // 4, sample.parts.shape[0]
    to_cells = np.diag([cells / size_px] * 2) @ matrix
    to_cells[:, :2] *= stored / stored_cells
    parts = augment.warp(sample.parts, to_cells, cells, nearest=True, border=PART_UNKNOWN)
    if mirror:
        points, depth = points[list(POINT_MIRROR)], depth[list(POINT_MIRROR)]
        swap = np.arange(256, dtype=np.uint8)
        swap[: len(PART_MIRROR)] = PART_MIRROR
        parts = swap[parts]
    return image, points, depth, parts


def draw_batch(
    rng: np.random.Generator, sources: list[tuple[SampleSource, float]], count: int, size_px: int, ranges: AugmentRanges
) -> TrunkBatch:
    """``count`` samples, each from a source drawn by weight."""
    weights = np.array([weight for _, weight in sources])
    rows = []
    for pick in rng.choice(len(sources), count, p=weights / weights.sum()):
        source = sources[pick][0]
        rows.append(augment_sample(rng, source.sample(int(rng.integers(len(source)))), size_px, ranges, source))
    images, points, depth, parts = (np.stack(column) for column in zip(*rows, strict=True))
    return TrunkBatch(images, points.astype(np.float32), depth.astype(np.float32), parts)


def whole_batches(source: SampleSource, count: int, size_px: int) -> Iterator[TrunkBatch]:
    """Every sample once, unaugmented, in order."""
    rng = np.random.default_rng(0)
    for start in range(0, len(source), count):
        rows = []
        for index in range(start, min(start + count, len(source))):
            rows.append(augment_sample(rng, source.sample(index), size_px, augment.NONE, source))
        images, points, depth, parts = (np.stack(column) for column in zip(*rows, strict=True))
        yield TrunkBatch(images, points.astype(np.float32), depth.astype(np.float32), parts)
