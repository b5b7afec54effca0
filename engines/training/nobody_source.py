"""Squares of photographs that show nobody, as samples for the trunk.

A trunk that has only ever seen people finds one in every square, a facade or a bush too, and is sure of it. Here it
learns to be sure of no place at all, so that its confidence says whether anybody is there.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from engines.keypoints import NUM_POINTS
from engines.training.factory.codec import decode_rgb
from engines.training.photos.person_crops import MASK_SIZE_PX, STORED_MARGIN, STORED_SIZE_PX
from engines.training.photos.tar_shards import iterate_jpegs
from engines.training.synthetic_source import OUTSIDE_PX
from engines.training.trunk_batches import Sample

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
        height, width = photo.shape[:2]
        rng = np.random.default_rng(index)
        side = int(min(height, width) * SMALLEST ** rng.random())
        y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        image = cv2.resize(photo[y : y + side, x : x + side], (STORED_SIZE_PX, STORED_SIZE_PX))
        points = np.full((NUM_POINTS, 3), OUTSIDE_PX, np.float32)
        points[:, 2] = 1
        unknown = np.full(NUM_POINTS, np.nan, np.float32)
        return Sample(image, points, unknown, np.zeros((MASK_SIZE_PX, MASK_SIZE_PX), np.uint8), STORED_MARGIN)
