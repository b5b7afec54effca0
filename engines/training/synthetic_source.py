"""Rendered people of the factory as samples for the trunk: every point, its depth and every part is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.keypoints import NUM_POINTS
from engines.training.factory.cropview import STORED_PADDING
from engines.training.factory.shards import CROP_PX, SynthShard, read_shard
from engines.training.trunk_batches import OUTSIDE_PX, Sample


class SyntheticSource:
    """All shards ``{split}-*.npz`` of a folder, in memory as JPEG. Raises FileNotFoundError where there is none."""

    def __init__(self, folder: Path, split: str) -> None:
        paths = sorted(Path(folder).glob(f"{split}-*.npz"))
        if not paths:
            raise FileNotFoundError(f"no {split}-*.npz in {folder}; render some: python -m engines.training.factory")
        self.shards = [read_shard(path) for path in paths]
        self._starts = np.cumsum([0, *(len(shard) for shard in self.shards)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def at(self, index: int) -> tuple[SynthShard, int]:
        """The shard that holds a sample and the row in it."""
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.shards[shard], index - int(self._starts[shard])

    def sample(self, index: int) -> Sample:
        shard, row = self.at(index)
        image = shard.image(row)
        points = np.array(shard.points[row], np.float32)
        outside = points[:, 2] == 0
        points[outside, :2] = OUTSIDE_PX
        points[:, 2] = np.where(outside, 1.0, points[:, 2])
        return Sample(image, points, relative_depth(shard, row), shard.parts(row), STORED_PADDING)


def relative_depth(shard: SynthShard, row: int) -> np.ndarray:
    """(41,) metres: how much farther than the pelvis each point lies along the ray of the crop's centre."""
    fx, fy, cx, cy = shard.K[row]
    middle = CROP_PX / 2
    ray = np.array([(middle - cx) / fx, (middle - cy) / fy, 1.0])
    ray /= np.linalg.norm(ray)
    places = np.concatenate([shard.landmarks_cam[row], shard.joints_cam[row]])
    assert len(places) == NUM_POINTS
    return ((places - shard.translation[row]) @ ray).astype(np.float32)
