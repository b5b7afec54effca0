"""People known by their labelled 2D keypoints alone: everyday poses that no motion capture studio has seen.

They teach the lifter by reprojection: whatever body it answers with must project onto the labels, bend its elbows and
knees the way they bend, and stay a common shape. What annotators call a hip is learned on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.camera import Intrinsics
from engines.keypoints import JOINT_NAMES, NUM_COCO, NUM_POINTS, POINT_MIRROR
from engines.methods.virtual_camera import VirtualCamera
from engines.networks.bilayer import BodyPrediction, project
from engines.training.corruption import Corruption, corrupt

CORRUPTION = Corruption(definition=0.0, keep_lost=0.0, drop_joints=1.0, drop_depth=1.0)
"""The labels carry their own definitions; there are no joints and no depths."""
MIRROR = torch.tensor(POINT_MIRROR[:NUM_COCO])


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatBatch:
    """Network inputs and the labels in crop units."""

    points: Tensor
    """(B, 41, 5) as `GeometryBatch.points`."""
    camera: Tensor
    """(B, 1) logarithm of the tangent of half the opening."""
    image: Tensor
    """(B, 17, 2) labels, crop units."""
    weight: Tensor
    """(B, 17): 1 visible, 0.7 occluded, 0 not labelled."""


class FlatPeople:
    """Draws batches from ``keypoints_only.npz``. Raises FileNotFoundError where it is missing."""

    def __init__(self, path: Path, seed: int) -> None:
        with np.load(path) as data:
            keypoints = data["keypoints_px"].astype(np.float32) + 0.5  # labels count from pixel centres
            visibility, size = data["visibility"], data["image_wh"]
        known = visibility > 0
        low = np.where(known[..., None], keypoints, np.inf).min(1)
        high = np.where(known[..., None], keypoints, -np.inf).max(1)
        sides = 1.25 * 1.16 * (high - low).max(1)
        cameras = [Intrinsics.from_fov(int(w), int(h)) for w, h in size]
        view = VirtualCamera.of_crops(cameras, (low + high) / 2, sides)
        self._image = torch.from_numpy(view.to_crop(keypoints))
        self._half_tan = torch.from_numpy(view.half_tan)[:, None]
        self._weight = torch.from_numpy(np.choose(visibility, (0.0, 0.7, 1.0)).astype(np.float32))
        self._generator = torch.Generator().manual_seed(seed)

    def batch(self, count: int) -> FlatBatch:
        """Draw ``count`` people, mirrored at random, the crop jittered, the points corrupted."""
        g = self._generator
        rows = torch.randint(len(self._image), (count,), generator=g)
        image, weight, half_tan = self._image[rows], self._weight[rows], self._half_tan[rows]
        flip = torch.rand(count, generator=g) < 0.5
        image = torch.where(flip[:, None, None], image[:, MIRROR] * torch.tensor((-1.0, 1.0)), image)
        weight = torch.where(flip[:, None], weight[:, MIRROR], weight)
        scale = (0.25 * torch.randn(count, 1, generator=g)).clamp(-0.4, 0.4).exp()
        image = image / scale[..., None] + 0.1 * torch.randn(count, 1, 2, generator=g)
        camera = (half_tan * scale).log() + 0.2 * torch.randn(count, 1, generator=g)
        total = weight.sum(1).clamp_min(1e-3)
        centre = (image * weight[..., None]).sum(1) / total[:, None]
        whole = centre[:, None].expand(-1, NUM_POINTS, -1).clone()
        whole[:, :NUM_COCO] = torch.where(weight[..., None] > 0, image, whole[:, :NUM_COCO])
        lost = torch.ones(count, NUM_POINTS, dtype=torch.bool)
        lost[:, :NUM_COCO] = weight == 0
        points = corrupt(whole, torch.zeros(count, NUM_POINTS), lost, CORRUPTION, g)
        return FlatBatch(points=points, camera=camera, image=image, weight=weight)


def reprojection_losses(predictions: list[BodyPrediction], batch: FlatBatch) -> Tensor:
    """Robust reprojection error in box units, unnatural bends and large shapes; the last estimate weighs double."""
    extent = (batch.image.abs() * (batch.weight > 0)[..., None]).amax((1, 2)).clamp_min(0.2)[:, None, None]
    total = torch.zeros(())
    for guess, share in zip(predictions, [0.5] * (len(predictions) - 1) + [1.0], strict=True):
        seen = project(guess.landmarks, guess.camera, batch.camera.exp())
        error = torch.nn.functional.smooth_l1_loss(seen / extent, batch.image / extent, reduction="none", beta=0.05)
        reprojection = (error.sum(-1) * batch.weight).sum() / batch.weight.sum()
        bends = unnatural_bends(guess.rotations).mean()
        total = total + share * (3.0 * reprojection + 1.0 * bends + 0.02 * guess.betas.square().mean())
    return total


def unnatural_bends(rotations: Tensor) -> Tensor:
    """(B, 24, 3, 3) local rotations -> (B,): squared sines by which knees and elbows bend backwards.

    Knees flex about +x; elbows about -y on the left and +y on the right (the body's T-pose axes).
    """
    found = torch.zeros(len(rotations))
    for name, axis, sign in (
        ("left_knee", 0, 1.0),
        ("right_knee", 0, 1.0),
        ("left_elbow", 1, -1.0),
        ("right_elbow", 1, 1.0),
    ):
        turn = rotations[:, JOINT_NAMES.index(name)]
        i, j = (axis + 1) % 3, (axis + 2) % 3
        sine = sign * (turn[:, j, i] - turn[:, i, j]) / 2
        found = found + torch.relu(-sine - 0.1).square()
    return found
