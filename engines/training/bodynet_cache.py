"""What BodyNet's shape network reads and should say, for every rendered person: inputs by the shipped trunk and lifter.

`python -m engines.training.bodynet_cache --synthetic FOLDER --out FOLDER`

Maps are stored as bytes, voxels as bits. The truth is the body of the shard, voxelised in the grid of the crop. Shards
do not hold the clothes' geometry, only where clothes are seen (`parts`): that silhouette is stored beside it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.methods.bilayer import BilayerLifter, open_lifter
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.inputs import network_inputs
from engines.methods.evidence import CropRequest, read_trunk
from engines.methods.trunk_method import load_trunk
from engines.networks.bodynet import PRESETS, BodyNetPreset, evidence_maps
from engines.training.augment import distort_colours
from engines.training.factory.shards import CROP_PX, PARTS_PX, SynthShard, read_shard
from engines.training.stored_arrays import StoredArrays
from engines.training.views import View
from kernels.crop_normalize import crop_batch
from kernels.voxelize import voxelize

TRUTH_LEVEL = 1
"""Mesh level that is voxelised: 3 cm between vertices, as the cells of 64^3 around an adult."""
MESH_LEVEL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVolumes(StoredArrays):
    """N crops of side S, the trunk's maps of S/4 cells, grids of G cells."""

    crops: np.ndarray
    """(N, S, S, 3) uint8."""
    maps: np.ndarray
    """(N, 57, S/4, S/4) uint8: `engines.networks.bodynet.evidence_maps` times 255."""
    depth: np.ndarray
    """(N, 41) float32 grid units: the trunk's depths, see `engines.methods.bodynet.grid.GridView.depth_units`."""
    voxels: np.ndarray
    """(N, G, G, G/8) uint8: bits of the occupancy, axes depth, height, width."""
    seen: np.ndarray
    """(N, G, G/8) uint8: bits, where some of the person or the clothes is seen."""
    mesh: np.ndarray
    """(N, 439, 3) float16 grid units: the true body's coarse vertices."""


def body_voxels(vertices: np.ndarray, faces: np.ndarray, cells: int) -> np.ndarray:
    """Closed mesh (V, 3) in grid units -> occupancy (G, G, G) bool, axes depth, height, width."""
    corner = np.full(3, -1.0)
    return voxelize(vertices, faces, origin=corner, voxel_size=2 / cells, shape=(cells, cells, cells))


class Volumes:
    """Trunk, lifter and body model between shards and `SeenVolumes`."""

    def __init__(self, body: BodyModel, preset: BodyNetPreset, threads: int = 1) -> None:
        self._reader = load_trunk("small", "openvino", "auto", threads, mirror=True)
        self._lifter: BilayerLifter = open_lifter(
            body, runtime="openvino", precision="auto", preset="small", threads=threads
        )
        self._body, self._cells, self._input_px = body, preset.grid, preset.input_px

    def close(self) -> None:
        """Let go of the engines."""
        for engine in (self._reader.engine, *self._lifter.engines):
            engine.close()

    def see(self, shard: SynthShard, rows: list[int], rng: np.random.Generator | None) -> SeenVolumes:
        """Crops of a shard; ``rng`` shakes them as trackers do and changes colours, None: as `evaluate` cuts them."""
        from engines.training.factory.cropview import STORED_PADDING

        requests = []
        for row in rows:
            image, center, side = shard.image(row), np.full(2, CROP_PX / 2), CROP_PX / STORED_PADDING
            if rng is not None:
                view = View.draw(rng)
                image, center, side = distort_colours(rng, image, 0.7), view.centre, view.side
            fx, fy, cx, cy = (float(value) for value in shard.K[row])
            requests.append(
                CropRequest(
                    image=image, center_px=center, side_px=side, intrinsics=Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy)
                )
            )
        crops = self._reader.crops(requests)
        evidence = read_trunk(self._reader.infer(crops), crops, requests)
        bodies = self._lifter(evidence, requests)
        grid = GridView.of_requests(requests)
        place = shard.translation[rows]
        inputs = network_inputs(evidence, grid, bodies.translation, self._input_px)
        posed = self._body.forward(shard.pose[rows], shard.betas[rows], place, TRUTH_LEVEL)
        vertices = grid.to_grid(posed.vertices, place)
        faces = self._body.faces[TRUTH_LEVEL]
        masks = [
            crop_batch(
                np.repeat((shard.parts(row) > 0).astype(np.uint8)[..., None] * 255, 3, 2),
                request.center_px[None] * (PARTS_PX / CROP_PX),
                np.array([request.side_px * (PARTS_PX / CROP_PX)]),
                self._cells,
            )[0, ..., 0]
            for row, request in zip(rows, requests, strict=True)
        ]
        return SeenVolumes(
            crops=inputs["crops"],
            maps=_bytes(inputs["heatmaps"], inputs["parts"]),
            depth=inputs["depth"],
            voxels=np.packbits(np.stack([body_voxels(v, faces, self._cells) for v in vertices]), axis=-1),
            seen=np.packbits(np.stack(masks) > 127, axis=-1),
            mesh=self._body.downsample(vertices, TRUTH_LEVEL, MESH_LEVEL).astype(np.float16),
        )


def _bytes(heatmaps: np.ndarray, parts: np.ndarray) -> np.ndarray:
    maps = evidence_maps(torch.from_numpy(heatmaps), torch.from_numpy(np.ascontiguousarray(parts, np.float32)))
    return (maps * 255).round().byte().numpy()


def main(argv: list[str] | None = None) -> int:
    """Command line; files that are already there are kept."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.bodynet_cache", description=__doc__)
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of rendered shards")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--views", type=int, default=1, help="views of each training picture")
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS), help="of the shape network")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    volumes = Volumes(load_body(), PRESETS[args.preset], args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    # Validation first: a training can begin while the rest is made.
    for path in sorted(args.synthetic.glob("*.npz"), key=lambda p: (p.name.startswith("train"), p.name)):
        shard = read_shard(path)
        train = path.name.startswith("train")
        for view in range(args.views if train else 1):
            out = args.out / f"{path.stem}-{view}.npz"
            if out.exists():
                continue
            rng = np.random.default_rng([view, len(shard), *path.stem.encode()]) if train else None
            parts = [
                volumes.see(shard, list(range(at, min(at + 16, len(shard)))), rng) for at in range(0, len(shard), 16)
            ]
            SeenVolumes.joined(parts).save(out)
            print(f"{out.name}: {len(shard)} crops", flush=True)
    volumes.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
