"""Batches of rendered pictures with all that is true of them, for networks that learn from pictures to bodies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engines.keypoints import PART_MIRROR, POINT_MIRROR
from engines.networks.hourglass import TrunkOutput, expected_depth
from engines.training import augment
from engines.training.factory.shards import CROP_PX, PARTS_PX, SynthShard
from engines.training.losses.body import Truth
from engines.training.synthetic_source import SyntheticSource
from engines.training.trunk_batches import OUTSIDE_PX, PART_UNKNOWN
from engines.training.views import View, ViewTruth, pictures, prepared_points, true_bodies
from kernels.decode_heatmaps import decode_heatmaps

COLOUR = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedBatch:
    """N views of rows of one shard, at a network's size S."""

    images: np.ndarray
    """(N, S, S, 3) uint8."""
    points: np.ndarray
    """(N, 41, 3) float32: where points are, pixels of the images, and their weight."""
    parts: np.ndarray
    """(N, S/4, S/4) uint8 part classes."""
    shard: SynthShard
    rows: list[int]
    views: list[View]


def rendered_batch(
    shard: SynthShard, rows: list[int], views: list[View], size_px: int, rng: np.random.Generator, colour: float = 0.0
) -> RenderedBatch:
    """The views as pictures and labels."""
    cells, points, parts = size_px // 4, [], []
    swap = np.arange(256, dtype=np.uint8)
    swap[: len(PART_MIRROR)] = PART_MIRROR
    for row, view in zip(rows, views, strict=True):
        seen, classes = np.array(shard.points[row], np.float32), shard.parts(row)
        outside = seen[:, 2] == 0
        if view.mirror:
            seen[:, 0] = CROP_PX - seen[:, 0]
            seen, outside, classes = seen[list(POINT_MIRROR)], outside[list(POINT_MIRROR)], swap[classes[:, ::-1]]
        seen = augment.move_points(seen, view.affine(size_px))
        seen[outside] = (OUTSIDE_PX, OUTSIDE_PX, 1)
        points.append(seen)
        to_cells = view.affine(cells)
        to_cells[:, :2] *= CROP_PX / PARTS_PX
        parts.append(augment.warp(np.ascontiguousarray(classes), to_cells, cells, nearest=True, border=PART_UNKNOWN))
    return RenderedBatch(
        images=pictures(shard, rows, views, size_px, rng, colour), points=np.stack(points).astype(np.float32),
        parts=np.stack(parts), shard=shard, rows=rows, views=views,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Looked:
    """What a lifter reads of a batch, and what it should answer."""

    points: torch.Tensor
    """(N, 41, 5), `engines.methods.bilayer.prepare`."""
    camera: torch.Tensor
    """(N, 1)"""
    truth: Truth
    depth: torch.Tensor
    """(N, 41) true depths, metres relative to the pelvis."""


def looked_at(batch: RenderedBatch, output: TrunkOutput) -> Looked:
    """An encoder's outputs for a batch, decoded as the product does it: without a gradient."""
    size = batch.images.shape[1]
    heatmaps = output.heatmaps[-1].detach().float()
    points = decode_heatmaps(heatmaps.flatten(2).softmax(-1).view_as(heatmaps).numpy(), size)
    depth = expected_depth(output.depth.detach()).numpy()
    prepared = prepared_points(points, depth, batch.shard, batch.rows, batch.views, size)
    true = true_bodies(batch.shard, batch.rows, batch.views, prepared)
    inputs = {name: torch.from_numpy(value) for name, value in prepared.inputs.items()}
    half_tan = torch.from_numpy(prepared.view.half_tan.astype(np.float32))[:, None]
    return Looked(inputs["points"], inputs["camera"], _truth(true, half_tan), torch.from_numpy(true.depth))


def _truth(true: ViewTruth, half_tan: torch.Tensor) -> Truth:
    arrays = {name: torch.from_numpy(getattr(true, name)) for name in ("rotations", "betas", "translation", "image")}
    return Truth(**arrays, half_tan=half_tan)


class RenderedViews:
    """Random views of the rendered people ``train-*.npz`` of a folder. Raises FileNotFoundError where there is none."""

    def __init__(self, folder: Path, seed: int, jitter: float) -> None:
        """``jitter``: spread of the crop's side, as a logarithm to either side."""
        self._shards = SyntheticSource(folder, "train").shards
        self._rng = np.random.default_rng(seed)
        self._jitter = (-jitter, jitter)

    def batch(self, count: int, size_px: int) -> RenderedBatch:
        """``count`` views of one shard drawn at random."""
        shard = self._shards[int(self._rng.integers(len(self._shards)))]
        rows = self._rng.choice(len(shard), min(count, len(shard)), replace=False).tolist()
        views = [View.draw(self._rng, self._jitter) for _ in rows]
        return rendered_batch(shard, rows, views, size_px, self._rng, COLOUR)
