"""Squares of photographs that show nobody, as samples for the trunk.

A trunk that has only ever seen people finds one in every square, a facade or a bush too, and is sure of it. Here it
learns to be sure of no place at all, so that its confidence says whether anybody is there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.keypoints import NUM_POINTS
from engines.training.factory.backgrounds import random_patch
from engines.training.factory.codec import decode_rgb
from engines.training.photos.person_crops import MASK_SIZE_PX, STORED_MARGIN, STORED_SIZE_PX
from engines.training.photos.tar_shards import iterate_jpegs
from engines.training.trunk_batches import OUTSIDE_PX, Sample

SQUARES = 50
"""Different squares of each photograph."""
SMALLEST = 0.25
"""Side of a square over the photograph's short side; the largest is 1."""


class NobodySource:
    """`SQUARES` squares of every photograph of ``data/backgrounds`` under an open licence.

    Raises FileNotFoundError where the folder holds no shard of the split.
    """

    def __init__(self, shared: Path, split: str) -> None:
        self._photos = [data for data, _ in iterate_jpegs(shared / "data/backgrounds", split)]

    def __len__(self) -> int:
        return SQUARES * len(self._photos)

    def sample(self, index: int) -> Sample:
        photo = decode_rgb(self._photos[index // SQUARES])
        image = random_patch(photo, STORED_SIZE_PX, np.random.default_rng(index), SMALLEST)
        points = np.full((NUM_POINTS, 3), OUTSIDE_PX, np.float32)
        points[:, 2] = 1
        unknown = np.full(NUM_POINTS, np.nan, np.float32)
        return Sample(image, points, unknown, np.zeros((MASK_SIZE_PX, MASK_SIZE_PX), np.uint8), STORED_MARGIN)
