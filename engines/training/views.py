"""Views of rendered pictures: other crops, turned in the picture plane, mirrored, and the truth carried through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.keypoints import JOINT_MIRROR, POINT_MIRROR
from engines.methods.bilayer import Prepared, prepare
from engines.training.augment import distort_colours, warp
from engines.training.factory.cropview import STORED_PADDING
from engines.training.factory.shards import CROP_PX, SynthShard

NETWORK_SIDE = CROP_PX / STORED_PADDING
"""Side of the networks' own crop, stored-crop pixels."""
JITTER = (-0.15, 0.2)
"""Logarithms of the side over the networks' own: as trackers' boxes are."""


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
    def draw(cls, rng: np.random.Generator, jitter: tuple[float, float] = JITTER) -> View:
        """Near the networks' own crop."""
        side = NETWORK_SIDE * np.exp(rng.uniform(*jitter))
        centre = CROP_PX / 2 + rng.uniform(-0.06, 0.06, 2) * side
        return cls(mirror=bool(rng.random() < 0.5), centre=centre, side=float(side), turn=float(rng.normal(0, 0.15)))

    @classmethod
    def straight(cls, scale: float = 1.0, *, mirror: bool = False) -> View:
        """The networks' own crop, its side times ``scale``."""
        return cls(mirror=mirror, centre=np.full(2, CROP_PX / 2), side=NETWORK_SIDE * scale, turn=0.0)

    def affine(self, size_px: int) -> np.ndarray:
        """(2, 3): mirrored stored-crop pixels -> network pixels, both corner-based."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        linear = np.array(((cos, -sin), (sin, cos))) * (size_px / self.side)
        return np.concatenate((linear, (size_px / 2 - linear @ self.centre)[:, None]), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewTruth:
    """What is true of N views, in their virtual cameras; float32."""

    rotations: np.ndarray
    """(N, 24, 3, 3)"""
    betas: np.ndarray
    """(N, 10)"""
    translation: np.ndarray
    """(N, 3)"""
    image: np.ndarray
    """(N, 41, 2) crop units: where the points truly are."""
    depth: np.ndarray
    """(N, 41) metres relative to the pelvis."""


def pictures(
    shard: SynthShard, rows: Sequence[int], views: Sequence[View], size_px: int, rng: np.random.Generator, colour: float
) -> np.ndarray:
    """(N, size, size, 3) uint8: a view of each row, colours distorted by up to ``colour``."""
    images = np.empty((len(rows), size_px, size_px, 3), np.uint8)
    for slot, (row, view) in enumerate(zip(rows, views, strict=True)):
        picture = shard.image(row)
        picture = np.ascontiguousarray(picture[:, ::-1]) if view.mirror else picture
        images[slot] = distort_colours(rng, warp(picture, view.affine(size_px), size_px), colour)
    return images


def prepared_points(
    points: np.ndarray, depth: np.ndarray, shard: SynthShard, rows: Sequence[int], views: Sequence[View], size_px: int
) -> Prepared:
    """A network's points (N, 41, 3) in its pictures' pixels, and depths (N, 41) -> what lifters read of them."""
    points, cameras = points.copy(), []
    for slot, (row, view) in enumerate(zip(rows, views, strict=True)):
        fx, fy, cx, cy = (float(value) for value in shard.K[row])
        cameras.append(Intrinsics(fx=fx, fy=fy, cx=CROP_PX - cx if view.mirror else cx, cy=cy))
        matrix = view.affine(size_px)
        points[slot, :, :2] = (points[slot, :, :2] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    centres, sides = np.stack([view.centre for view in views]), np.array([view.side for view in views])
    prepared = prepare(points, depth, cameras, centres, sides)
    seen = prepared.inputs["points"]
    seen[..., :2] = seen[..., :2] @ _turns(views).transpose(0, 2, 1)
    return prepared


def true_bodies(shard: SynthShard, rows: Sequence[int], views: Sequence[View], prepared: Prepared) -> ViewTruth:
    """The truth of the views whose cameras ``prepared`` holds."""
    index, flip = list(rows), np.array([view.mirror for view in views])
    rotations = rotation_matrices(np.asarray(shard.pose[index], np.float32))
    cloud = np.concatenate((shard.landmarks_cam[index], shard.joints_cam[index]), 1).astype(np.float32)
    place = np.asarray(shard.translation[index], np.float32)
    sign = np.array((-1, 1, 1), np.float32)
    rotations[flip] = mirrored(rotations[flip])
    cloud[flip] = cloud[flip][:, list(POINT_MIRROR)] * sign
    place[flip] = place[flip] * sign
    # The axis passes through the crop's centre: turning the picture is turning the camera about its axis.
    camera_turn = np.zeros((len(index), 3, 3), np.float32)
    camera_turn[:, :2, :2], camera_turn[:, 2, 2] = _turns(views), 1
    camera_turn = camera_turn @ prepared.view.R_virtual_source
    rotations[:, 0] = camera_turn @ rotations[:, 0]
    cloud, place = cloud @ camera_turn.transpose(0, 2, 1), (camera_turn @ place[..., None])[..., 0]
    half_tan = prepared.view.half_tan[:, None, None]
    return ViewTruth(
        rotations=rotations,
        betas=np.asarray(shard.betas[index], np.float32),
        translation=place,
        image=(cloud[..., :2] / np.maximum(cloud[..., 2:], 0.05) / half_tan).astype(np.float32),
        depth=cloud[..., 2] - place[:, None, 2],
    )


def mirrored(rotations: np.ndarray) -> np.ndarray:
    """Local rotations (N, 24, 3, 3) of the mirror image of a body."""
    sign = np.array((-1, 1, 1), np.float32)
    return rotations[:, list(JOINT_MIRROR)] * sign[:, None] * sign


def _turns(views: Sequence[View]) -> np.ndarray:
    """(N, 2, 2) float32: the turn of each view in the picture plane."""
    return np.stack([view.affine(1)[:, :2] * view.side for view in views]).astype(np.float32)
