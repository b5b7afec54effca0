"""Compare the heads and labels of Ordinal Depth Supervision on what a frozen trunk sees of rendered people.

`python -m engines.training ordinal-heads --synthetic SHARDS --steps 300 --seed 0`: every head (`--head`) with every
kind of depth label (`--labels`), same samples, steps and seed; one line each. The trunk is frozen, so minutes suffice;
`engines.networks.ordinal_heads.OrdinalTrunk` is the same head on hourglasses that learn along.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engines.networks.hourglass import PRESETS, Trunk
from engines.networks.ordinal_heads import OrdinalHead
from engines.training.losses.ordinal import BIN_M, depth_order, ordered_share, ordinal_total, ranking_loss
from engines.training.mixed_precision import mixed_precision
from engines.training.start_weights import load_shipped
from engines.training.synthetic_source import SyntheticSource
from engines.training.trunk_batches import whole_batches

WEIGHTS = Path(__file__).parents[1] / "weights"
HEADS, LABELS = ("vector", "coordinates", "volume"), ("order", "metric")
CELLS = 10
"""Side of the feature grid that the heads read: a quarter of the volume's cells at half the trunk's resolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCrops:
    """N crops as the trunk sees them, and what is true of them."""

    features: Tensor
    """(N, C, 10, 10)"""
    xy: Tensor
    """(N, 41, 2) crop units."""
    known: Tensor
    """(N, 41) float: 1 for points inside the crop."""
    depth: Tensor
    """(N, 41) metres relative to the pelvis."""


def see(trunk: Trunk, source: SyntheticSource, count: int) -> SeenCrops:
    """The first `count` samples, unaugmented."""
    size = trunk.preset.input_px
    columns: list[tuple[Tensor, ...]] = []
    for batch in whole_batches(source, 32, size):
        with torch.inference_mode(), mixed_precision():
            images = torch.from_numpy(batch.images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
            features = functional.adaptive_avg_pool2d(trunk(images.float()).features.float(), CELLS)
        points = torch.from_numpy(batch.points)
        xy = points[..., :2] * (2 / size) - 1
        known = (points[..., 2] > 0) & (xy.abs().amax(-1) < 1)
        columns.append((features.clone(), xy, known.float(), torch.from_numpy(batch.depth)))
        if sum(len(part[0]) for part in columns) >= count:
            break
    features, xy, known, depth = (torch.cat(parts)[:count] for parts in zip(*columns, strict=True))
    return SeenCrops(features=features, xy=xy, known=known, depth=depth)


def head_loss(head: OrdinalHead, seen: SeenCrops, rows: Tensor, labels: Literal["order", "metric"]) -> Tensor:
    """The paper's total: ranking loss and keypoints; or L1 on metric depths in bins in place of the ranking loss."""
    # The vector head's x, y are the heatmaps', which are frozen here: it learns depths alone.
    blank = torch.zeros(len(rows), 1, 1, 1)
    xy, depth = head(seen.features[rows], blank)
    truth = seen.depth[rows]
    if labels == "order":
        deep = ranking_loss(depth / BIN_M, depth_order(truth))
    else:
        deep = (depth - truth).abs().nanmean() / BIN_M
    if head.head == "vector":
        return deep
    known = seen.known[rows]
    gap = ((xy - seen.xy[rows]).square().sum(-1) * known).sum() / known.sum()
    return ordinal_total(deep, gap)


def head_figures(head: OrdinalHead, seen: SeenCrops) -> dict[str, float]:
    """Pairs in the right order, %; correlation of depths within a person; mean 2D error, % of the crop's side."""
    with torch.no_grad():
        xy, depth = head(seen.features, torch.zeros(len(seen.features), 1, 1, 1))
    unknown = ~seen.depth.isfinite()
    depths = [value.masked_fill(unknown, torch.nan) for value in (depth, seen.depth)]
    centred = [(value - value.nanmean(1, keepdim=True)).nan_to_num() for value in depths]
    together = (centred[0] * centred[1]).sum(1) / (centred[0].norm(dim=1) * centred[1].norm(dim=1) + 1e-9)
    gap = (((xy - seen.xy).norm(dim=-1) * seen.known).sum() / seen.known.sum()) * 50
    return {
        "ordered": 100 * ordered_share(depth, seen.depth),
        "correlation": float(together.mean()),
        "error2d": float("nan") if head.head == "vector" else float(gap),
    }


def main(argv: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m engines.training ordinal-heads", description=__doc__)
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--head", nargs="+", choices=HEADS, default=HEADS)
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--bins", type=int, default=64, help="of the volumetric head")
    parser.add_argument("--trunk", type=Path, default=WEIGHTS / "trunk-small.safetensors")
    parser.add_argument("--count", type=int, default=2048, help="rendered people to learn from")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    trunk = Trunk(PRESETS["small"]).eval()
    load_shipped(trunk, args.trunk, "trunk.")
    train = see(trunk, SyntheticSource(args.synthetic, "train"), args.count)
    val = see(trunk, SyntheticSource(args.synthetic, "val"), 512)
    for name, labels, seed in product(args.head, args.labels, args.seed):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        head = OrdinalHead(name, trunk.preset.width, args.bins)
        optimiser = torch.optim.AdamW(head.parameters(), lr=args.lr, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.lr, total_steps=args.steps)
        for _ in range(args.steps):
            rows = torch.from_numpy(rng.choice(len(train.depth), args.batch, replace=False))
            optimiser.zero_grad()
            head_loss(head, train, rows, labels).backward()
            optimiser.step()
            schedule.step()
        figures = "  ".join(f"{key} {value:.3f}" for key, value in head_figures(head, val).items())
        print(f"{name:11s} {labels:6s} seed {seed}  {figures}", flush=True)
    return 0
