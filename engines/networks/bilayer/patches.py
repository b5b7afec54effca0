"""Patches of the trunk's feature maps around the joints of the estimate so far.

The paper centres its RoI-aligned patches on detected joints. Here they lie where the current estimate projects: a joint
that the trunk did not find is looked at too, and each refinement looks again from a better place.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engines.keypoints import JOINT_PARENTS, NUM_JOINTS
from engines.networks.bilayer.prediction import BodyPrediction, project

_CHILDREN = list(range(1, NUM_JOINTS))
_PARENTS = list(JOINT_PARENTS[1:])


def sample_patches(features: tuple[Tensor, ...], body: BodyPrediction, half_tan: Tensor, size: int) -> Tensor:
    """Feature maps (B, C, H, W) -> (B, 24, sum C * size^2): bilinear samples on a size x size grid around each joint.

    The grid is as wide as the mean bone is long in the picture, at least a fiftieth of the crop; outside the crop
    features are zero. No gradient flows into the place.
    """
    with torch.autocast("cpu", enabled=False):
        joints = project(body.joints, body.camera, half_tan).detach().clamp(-3, 3)
        bones = joints[:, _CHILDREN] - joints[:, _PARENTS]
        width = (bones.square().sum(-1) + 1e-8).sqrt().mean(1).clamp(0.04, 1.0)
        steps = (torch.arange(size, dtype=joints.dtype, device=joints.device) + 0.5) / size - 0.5
        offset = torch.stack((steps.repeat(size), steps.repeat_interleave(size)), -1)
        grid = joints[:, :, None] + offset * width[:, None, None, None]
        found = [
            functional.grid_sample(level.float(), grid, mode="bilinear", align_corners=False) for level in features
        ]
    return torch.cat([level.permute(0, 2, 1, 3).flatten(2) for level in found], -1)
