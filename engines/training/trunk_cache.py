"""What a frozen trunk sees in rendered pictures, stored with the truth: the image stage of lifting networks.

`python -m engines.training.trunk_cache --trunk runs/trunk-small/checkpoint.pt --synthetic FOLDER --out FOLDER`

A lifting network trains on these a hundred times faster than through the trunk. Each picture is stored in several
views: other crops, turned in the picture plane, mirrored.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.keypoints import JOINT_MIRROR, POINT_MIRROR
from engines.methods.bilayer import prepare
from engines.networks.hourglass import PRESETS, Trunk, expected_depth
from engines.training.augment import distort_colours
from engines.training.factory.cropview import STORED_PADDING
from engines.training.factory.shards import CROP_PX, SynthShard, read_shard
from engines.training.stored_arrays import StoredArrays
from kernels.decode_heatmaps import decode_heatmaps


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


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One crop of a stored picture."""

    mirror: bool
    centre: np.ndarray
    """(2,) stored-crop pixels, after mirroring."""
    side: float
    turn: float
    """Radians, in the picture plane."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> View:
        """Near the networks' own crop, as a tracker's boxes are."""
        side = CROP_PX / STORED_PADDING * np.exp(rng.uniform(-0.15, 0.2))
        centre = CROP_PX / 2 + rng.uniform(-0.06, 0.06, 2) * side
        return cls(mirror=bool(rng.random() < 0.5), centre=centre, side=float(side), turn=float(rng.normal(0, 0.15)))

    def affine(self, size_px: int) -> np.ndarray:
        """(2, 3): mirrored stored-crop pixels -> network pixels, both corner-based."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        linear = np.array(((cos, -sin), (sin, cos))) * (size_px / self.side)
        return np.concatenate((linear, (size_px / 2 - linear @ self.centre)[:, None]), 1)


def see(trunk: Trunk, shard: SynthShard, rng: np.random.Generator, batch: int = 32) -> SeenPeople:
    """One random view of every picture of a shard, through the trunk."""
    parts = [_see_rows(trunk, shard, range(at, min(at + batch, len(shard))), rng) for at in range(0, len(shard), batch)]
    return SeenPeople.joined(parts)


def _see_rows(trunk: Trunk, shard: SynthShard, rows: range, rng: np.random.Generator) -> SeenPeople:
    size = trunk.preset.input_px
    index = list(rows)
    views = [View.draw(rng) for _ in index]
    flip = np.array([view.mirror for view in views])
    images = np.empty((len(index), size, size, 3), np.uint8)
    for slot, (row, view) in enumerate(zip(index, views, strict=True)):
        picture = shard.image(row)
        picture = picture[:, ::-1] if view.mirror else picture
        matrix = view.affine(size)
        # OpenCV counts from pixel centres.
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        images[slot] = distort_colours(rng, cv2.warpAffine(np.ascontiguousarray(picture), matrix, (size, size)), 0.7)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        output = trunk(
            torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).float()
        )
    heatmaps = output.heatmaps[-1].float()
    points = decode_heatmaps(heatmaps.flatten(2).softmax(-1).view_as(heatmaps).numpy(), size)
    depth = expected_depth(output.depth).numpy()

    cameras, centres = [], np.stack([view.centre for view in views])
    for slot, (row, view) in enumerate(zip(index, views, strict=True)):
        fx, fy, cx, cy = (float(value) for value in shard.K[row])
        cameras.append(Intrinsics(fx=fx, fy=fy, cx=CROP_PX - cx if view.mirror else cx, cy=cy))
        matrix = view.affine(size)
        points[slot, :, :2] = (points[slot, :, :2] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    prepared = prepare(points, depth, cameras, centres, np.array([view.side for view in views]))

    rotations = rotation_matrices(np.asarray(shard.pose[index], np.float32))
    cloud = np.concatenate((shard.landmarks_cam[index], shard.joints_cam[index]), 1).astype(np.float32)
    place = np.asarray(shard.translation[index], np.float32)
    sign = np.array((-1, 1, 1), np.float32)
    rotations[flip] = rotations[flip][:, list(JOINT_MIRROR)] * sign[:, None] * sign
    cloud[flip] = cloud[flip][:, list(POINT_MIRROR)] * sign
    place[flip] = place[flip] * sign
    # The axis passes through the crop's centre: turning the picture is turning the camera about its axis.
    turn = np.stack([view.affine(size)[:, :2] * view.side / size for view in views]).astype(np.float32)
    camera_turn = np.zeros((len(index), 3, 3), np.float32)
    camera_turn[:, :2, :2], camera_turn[:, 2, 2] = turn, 1
    camera_turn = camera_turn @ prepared.view.R_virtual_source
    seen = prepared.inputs["points"].copy()
    seen[..., :2] = seen[..., :2] @ turn.transpose(0, 2, 1)
    rotations[:, 0] = camera_turn @ rotations[:, 0]
    cloud, place = cloud @ camera_turn.transpose(0, 2, 1), (camera_turn @ place[..., None])[..., 0]
    half_tan = prepared.view.half_tan[:, None]
    return SeenPeople(
        points=seen,
        camera=prepared.inputs["camera"],
        features=output.features.float().numpy().astype(np.float16),
        rotations=rotations,
        betas=np.asarray(shard.betas[index], np.float32),
        translation=place,
        image=(cloud[..., :2] / np.maximum(cloud[..., 2:], 0.05) / half_tan[..., None]).astype(np.float32),
        half_tan=half_tan,
    )


def load_trunk(checkpoint: Path, preset: str) -> Trunk:
    """The averaged weights of a training checkpoint, frozen."""
    trunk = Trunk(PRESETS[preset])
    trunk.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["average"])
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
