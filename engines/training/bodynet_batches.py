"""Batches for BodyNet's shape network out of `bodynet_cache` files: half of them mirrored, inputs disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from engines.keypoints import NUM_POINTS, PART_MIRROR, POINT_MIRROR
from engines.networks.bodynet import COARSE_PARTS
from engines.training.bodynet_cache import SeenVolumes
from engines.training.losses.volume import VolumeTruth

DROP_POINT, DROP_ALL = 0.1, 0.05
"""The trunk was trained on the same pictures and errs less on them than on new ones; so single points, and all maps of
a crop, are missing now and then."""
DEPTH_NOISE = 0.1
"""Grid units."""
_MAP_MIRROR = [*POINT_MIRROR, *(NUM_POINTS + part for part in PART_MIRROR)]
_CLASS_MIRROR = np.array([0, 1, 2, 4, 3, 6, 5])


@dataclass(frozen=True, slots=True)
class VolumeBatch:
    """Inputs of `engines.networks.bodynet.BodyNet`, float32, and the truth."""

    crops: Tensor
    maps: Tensor
    depth: Tensor
    truth: VolumeTruth


class VolumeSource:
    """All files ``{split}-*.npz`` of a folder, in memory. Raises FileNotFoundError where there is none.

    ``vertex_parts``: part of every vertex of the stored coarse mesh; with it the truth has classes.
    """

    def __init__(self, folder: Path, split: str, seed: int = 0, vertex_parts: np.ndarray | None = None) -> None:
        paths = sorted(folder.glob(f"{split}-*.npz"))
        if not paths:
            raise FileNotFoundError(
                f"no {split}-*.npz in {folder}; make some: python -m engines.training.bodynet_cache --help"
            )
        self._files = [SeenVolumes.load(path) for path in paths]
        self._starts = np.cumsum([0, *(len(file.crops) for file in self._files)])
        self._rng = np.random.default_rng(seed)
        self._classes = None if vertex_parts is None else np.array(COARSE_PARTS)[vertex_parts]

    def __len__(self) -> int:
        return int(self._starts[-1])

    def draw(self, count: int) -> VolumeBatch:
        """A random batch for training."""
        rng = self._rng
        index = rng.integers(len(self), size=count)
        crops, maps, depth, voxels, seen, classes = self._gather(index)
        flip = rng.random(count) < 0.5
        crops[flip] = crops[flip, :, ::-1]
        maps[flip] = maps[flip][:, _MAP_MIRROR, :, ::-1]
        depth[flip] = depth[flip][:, list(POINT_MIRROR)]
        voxels[flip], seen[flip] = voxels[flip][..., ::-1], seen[flip][..., ::-1]
        if classes is not None:
            classes[flip] = _CLASS_MIRROR[classes[flip][..., ::-1]]
        points = maps[:, :NUM_POINTS]
        points[rng.random(points.shape[:2]) < DROP_POINT] = 0
        maps[rng.random(count) < DROP_ALL] = 0
        depth = depth + rng.normal(0, DEPTH_NOISE, depth.shape).astype(np.float32)
        return _tensors(crops, maps, depth, voxels, seen, classes)

    def rows(self, start: int, stop: int) -> VolumeBatch:
        """Samples as they are, in order."""
        return _tensors(*self._gather(np.arange(start, min(stop, len(self)))))

    def _gather(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, Any]:
        """Inputs, voxels, seen, classes or None; copies."""
        where = np.searchsorted(self._starts, index, side="right") - 1
        picks = [(self._files[file], int(i - self._starts[file])) for file, i in zip(where, index, strict=True)]
        bits = {n: np.stack([getattr(file, n)[row] for file, row in picks]) for n in ("voxels", "seen")}
        voxels, seen = (np.unpackbits(bits[name], axis=-1).astype(bool) for name in ("voxels", "seen"))
        classes = None
        if self._classes is not None:
            classes = np.stack([self._label(v, file.mesh[row]) for v, (file, row) in zip(voxels, picks, strict=True)])
        crops, maps, depth = (
            np.stack([getattr(file, n)[row] for file, row in picks]) for n in ("crops", "maps", "depth")
        )
        return crops, maps, depth, voxels, seen, classes

    def _label(self, voxels: np.ndarray, mesh: np.ndarray) -> np.ndarray:
        """(G, G, G) int64: inside the body the class of the nearest vertex."""
        assert self._classes is not None
        out = np.zeros(voxels.shape, np.int64)
        inside = np.argwhere(voxels)
        if len(inside):
            centres = (inside[:, ::-1] + 0.5) * (2 / voxels.shape[-1]) - 1
            out[voxels] = self._classes[cKDTree(mesh.astype(np.float32)).query(centres)[1]]
        return out


def _tensors(
    crops: np.ndarray, maps: np.ndarray, depth: np.ndarray, voxels: np.ndarray, seen: np.ndarray,
    classes: np.ndarray | None,
) -> VolumeBatch:  # fmt: skip
    def last(array: Tensor) -> Tensor:
        return array.contiguous(memory_format=torch.channels_last)

    return VolumeBatch(
        crops=last(torch.from_numpy(crops).permute(0, 3, 1, 2).float()),
        maps=last(torch.from_numpy(maps).float() / 255),
        depth=torch.from_numpy(depth),
        truth=VolumeTruth(
            torch.from_numpy(voxels), torch.from_numpy(seen), None if classes is None else torch.from_numpy(classes)
        ),
    )
