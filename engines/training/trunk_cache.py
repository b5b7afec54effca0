"""What a frozen trunk sees in rendered pictures, stored with the truth: the image stage of lifting networks.

`python -m engines.training.trunk_cache --trunk runs/trunk-small/checkpoint.pt --synthetic FOLDER --out FOLDER`

A lifting network trains on these a hundred times faster than through the trunk. Each picture is stored in several
views: other crops, turned in the picture plane, mirrored.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engines.networks.hourglass import PRESETS, Trunk, expected_depth
from engines.training.factory.shards import SynthShard, read_shard
from engines.training.mixed_precision import mixed_precision
from engines.training.start_weights import trained_weights
from engines.training.stored_arrays import StoredArrays
from engines.training.views import View, pictures, prepared_points, true_bodies
from kernels.decode_heatmaps import decode_heatmaps

COLOUR = 0.7
"""How far the colours of cached views are distorted, see `augment.distort_colours`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPeople(StoredArrays):
    """N crops as a trunk saw them, and the truth in their virtual cameras; float32, features float16."""

    points: np.ndarray
    """(N, 41, 5), `engines.methods.bilayer.prepare`."""
    camera: np.ndarray
    """(N, 1)"""
    features: np.ndarray
    """(N, C, H, W)"""
    rotations: np.ndarray
    """(N, 24, 3, 3)"""
    betas: np.ndarray
    """(N, 10)"""
    translation: np.ndarray
    """(N, 3)"""
    image: np.ndarray
    """(N, 41, 2) crop units: where the points truly are."""
    half_tan: np.ndarray
    """(N, 1)"""


def see(trunk: Trunk, shard: SynthShard, rng: np.random.Generator, batch: int = 32) -> SeenPeople:
    """One random view of every picture of a shard, through the trunk."""
    parts = [_see_rows(trunk, shard, range(at, min(at + batch, len(shard))), rng) for at in range(0, len(shard), batch)]
    return SeenPeople.joined(parts)


def _see_rows(trunk: Trunk, shard: SynthShard, rows: range, rng: np.random.Generator) -> SeenPeople:
    size = trunk.preset.input_px
    views = [View.draw(rng) for _ in rows]
    images = pictures(shard, rows, views, size, rng, COLOUR)
    with torch.inference_mode(), mixed_precision():
        output = trunk(
            torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).float()
        )
    heatmaps = output.heatmaps[-1].float()
    points = decode_heatmaps(heatmaps.flatten(2).softmax(-1).view_as(heatmaps).numpy(), size)
    prepared = prepared_points(points, expected_depth(output.depth).numpy(), shard, rows, views, size)
    truth = true_bodies(shard, rows, views, prepared)
    return SeenPeople(
        **prepared.inputs,
        features=output.features.float().numpy().astype(np.float16),
        rotations=truth.rotations,
        betas=truth.betas,
        translation=truth.translation,
        image=truth.image,
        half_tan=prepared.view.half_tan[:, None],
    )


def load_trunk(checkpoint: Path, preset: str) -> Trunk:
    """The averaged weights of a training checkpoint, frozen."""
    trunk = Trunk(PRESETS[preset])
    trunk.load_state_dict(trained_weights(checkpoint))
    return trunk.eval().requires_grad_(False)


def main(argv: list[str] | None = None) -> int:
    """Command line; shards that are already there are kept."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.trunk_cache", description=__doc__)
    parser.add_argument("--trunk", type=Path, required=True, help="checkpoint of the trunk's training")
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=2, help="views of each picture")
    parser.add_argument("--shards", type=int, help="use only so many of the rendered shards")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    trunk = load_trunk(args.trunk, args.preset)
    args.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(args.synthetic.glob("*.npz"))[: args.shards]:
        shard = read_shard(path)
        for view in range(args.views):
            out = args.out / f"{path.stem}-{view}.npz"
            if not out.exists():
                see(trunk, shard, np.random.default_rng([view, len(shard), *path.stem.encode()])).save(out)
                print(f"{out.name}: {len(shard)} crops", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
