"""SMPLR's two MLPs of one shape: clean points -> rotations, and -> shape with a gender term beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engines.body.model import BodyModel
from engines.keypoints import NUM_COCO, NUM_JOINTS
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.bilayer.residual_mlp import ResidualMLP
from engines.networks.rotation6d import matrix_from_6d
from engines.networks.smplr.measures import (
    IS_JOINT_PAIR,
    PAIRS,
    RELATIVE,
    distances,
    relative_points,
    trunk_frame,
)

SHAPE = 10
LENGTH_SCALE_M = 0.05
"""Lengths are compared with the template's in these units or in their own length, whichever is larger."""


@dataclass(frozen=True, slots=True)
class RegressedBody:
    """A body in the camera of the points, and itself as points."""

    rotations: Tensor
    """(B, 24, 3, 3) local; row 0 turns the body into the camera."""
    betas: Tensor
    """(B, 10)"""
    gender: Tensor
    """(B, 1): -1 female to +1 male, the shape's leaning on that axis."""
    turns: Tensor
    """(B, 24, 3, 3) global rotations."""
    joints: Tensor
    """(B, 24, 3) metres relative to the pelvis."""
    landmarks: Tensor
    """(B, 17, 3) metres relative to the pelvis."""


def _regressor(inputs: int, width: int, blocks: int, start: Tensor) -> nn.Sequential:
    """The MLP that both are; it begins by answering `start`."""
    head = nn.Linear(width, len(start))
    nn.init.normal_(head.weight, std=0.005)
    head.bias.data.copy_(start)
    return nn.Sequential(ResidualMLP(inputs, width, blocks), head)


class BodyRegressors(nn.Module):
    """Points (B, 41, 3) metres relative to the pelvis -> `RegressedBody`. Without `landmarks` it reads joints alone."""

    template: Tensor
    reads: Tensor
    reads_pairs: Tensor

    def __init__(self, body: BodyModel, width: int, blocks: int = 1, *, landmarks: bool = True) -> None:
        super().__init__()
        self.kinematics = Kinematics(body)
        start = torch.tensor((1.0, 0, 0, 0, 1, 0)).repeat(NUM_JOINTS)
        self.pose = _regressor(len(RELATIVE) * 3, width, blocks, start)
        self.shape = _regressor(len(PAIRS), width // 2, blocks, torch.zeros(SHAPE + 1))
        eye = torch.eye(3).expand(1, NUM_JOINTS, 3, 3)
        turns, joints = self.kinematics.chain(eye, torch.zeros(1, SHAPE))
        rest = torch.cat((self.kinematics.landmarks(turns, joints, torch.zeros(1, SHAPE)), joints), 1)
        self.register_buffer("template", distances(rest), persistent=False)
        seen = [float(landmarks or point >= NUM_COCO) for point in RELATIVE]
        self.register_buffer("reads", torch.tensor(seen)[:, None], persistent=False)
        pairs = [float(landmarks or joint) for joint in IS_JOINT_PAIR]
        self.register_buffer("reads_pairs", torch.tensor(pairs), persistent=False)

    def forward(self, cloud: Tensor) -> RegressedBody:
        frame = trunk_frame(cloud)
        relative = relative_points(cloud, frame) * self.reads
        longer = (distances(cloud) - self.template) / self.template.clamp_min(LENGTH_SCALE_M) * self.reads_pairs
        six = self.pose(relative.flatten(1)).float().reshape(-1, NUM_JOINTS, 6)
        rotations = matrix_from_6d(six)
        rotations = torch.cat(((frame @ rotations[:, 0])[:, None], rotations[:, 1:]), 1)
        shape = self.shape(4 * longer).float()
        betas, gender = shape[:, :SHAPE], torch.tanh(shape[:, SHAPE:])
        with torch.autocast("cpu", enabled=False):
            turns, joints = self.kinematics.chain(rotations, betas)
            landmarks = self.kinematics.landmarks(turns, joints, betas)
        return RegressedBody(rotations, betas, gender, turns, joints, landmarks)
