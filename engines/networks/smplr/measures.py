"""What the two regressors read of clean 3D points: directions along the skeleton, and lengths that pose hardly changes.

SMPLR's "normalised relative joints" (each joint less its parent, over its length) and "normalised relative distances"
(against the template's). Where the paper is silent: points are first turned into a frame of the trunk, so that one pose
looks the same from every side; and the distances are those within rigid parts, because all others tell of pose.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from engines.keypoints import JOINT_NAMES, JOINT_PARENTS, NUM_COCO, NUM_POINTS, POINT_NAMES

_FACE = range(5)


def _anchor(point: int) -> int:
    """The point that a point is taken relative to: its parent joint; a limb's landmark shares that of its joint."""
    name = POINT_NAMES[point].removeprefix("joint_")
    if point in _FACE:
        return NUM_COCO + JOINT_NAMES.index("head")
    return NUM_COCO + max(JOINT_PARENTS[JOINT_NAMES.index(name)], 0)


PELVIS = NUM_COCO
RELATIVE = tuple(point for point in range(NUM_POINTS) if point != PELVIS)
ANCHORS = tuple(_anchor(point) for point in RELATIVE)

_RIGID = (
    ("joint_pelvis", "joint_left_hip", "joint_right_hip", "joint_spine1", "left_hip", "right_hip"),
    ("joint_spine3", "joint_neck", "joint_left_collar", "joint_right_collar"),
    ("joint_left_shoulder", "joint_right_shoulder", "left_shoulder", "right_shoulder"),
    ("joint_neck", "joint_head"),
    ("joint_head", "nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    ("joint_left_shoulder", "left_shoulder", "joint_left_collar"),
    ("joint_right_shoulder", "right_shoulder", "joint_right_collar"),
    *((f"joint_{side}_{joint}", f"{side}_{joint}") for side in ("left", "right") for joint in
      ("elbow", "wrist", "hip", "knee", "ankle")),
)  # fmt: skip


def _pairs() -> tuple[tuple[int, int], ...]:
    found = {tuple(sorted((point, anchor))) for point, anchor in zip(RELATIVE, ANCHORS, strict=True)}
    for part in _RIGID:
        found |= {tuple(sorted(pair)) for pair in combinations([POINT_NAMES.index(name) for name in part], 2)}
    return tuple(sorted((a, b) for a, b in found))


PAIRS = _pairs()
"""Pairs of points whose distance says something about shape."""
IS_JOINT_PAIR = tuple(a >= NUM_COCO and b >= NUM_COCO for a, b in PAIRS)

_UP = (NUM_COCO + JOINT_NAMES.index("neck"), PELVIS)
_LEFT = tuple(
    (NUM_COCO + JOINT_NAMES.index(f"left_{name}"), NUM_COCO + JOINT_NAMES.index(f"right_{name}"))
    for name in ("hip", "shoulder")
)


def trunk_frame(cloud: Tensor) -> Tensor:
    """Points (B, 41, 3) -> (B, 3, 3) rotation from axes of the trunk (x left, y up, z forward) to those of the points.

    Up is pelvis to neck, left the sum of right-to-left hip and shoulder; Gram-Schmidt. Safe where points coincide.
    """
    up = cloud[:, _UP[0]] - cloud[:, _UP[1]]
    left = sum((cloud[:, a] - cloud[:, b] for a, b in _LEFT), torch.zeros_like(up))
    y = up / (up.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    left = left - (left * y).sum(-1, keepdim=True) * y
    x = left / (left.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    z = torch.stack(
        (
            x[:, 1] * y[:, 2] - x[:, 2] * y[:, 1],
            x[:, 2] * y[:, 0] - x[:, 0] * y[:, 2],
            x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0],
        ),
        -1,
    )
    return torch.stack((x, y, z), -1)


def relative_points(cloud: Tensor, frame: Tensor) -> Tensor:
    """(B, 41, 3) and its `trunk_frame` -> (B, 40, 3): unit vectors from each point's anchor, in the trunk's axes."""
    step = cloud[:, list(RELATIVE)] - cloud[:, list(ANCHORS)]
    return (step / (step.square().sum(-1, keepdim=True) + 1e-6).sqrt()) @ frame


def distances(cloud: Tensor) -> Tensor:
    """(B, 41, 3) metres -> (B, len(PAIRS)) metres."""
    a, b = [pair[0] for pair in PAIRS], [pair[1] for pair in PAIRS]
    # Written out: OpenVINO 2026.4 gives wrong sums over the last axis here where B is more than 1.
    x, y, z = (cloud[:, a] - cloud[:, b]).square().unbind(-1)
    return (x + y + z + 1e-8).sqrt()
