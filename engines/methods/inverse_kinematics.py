"""Rotations from 3D points in closed form: swings from bones, twists from hinges, from the pelvis outwards.

Each joint's segment carries points whose rest places are known: its children, and the landmarks that move with it. The
rotation that lays the rest vectors on the seen ones is Kabsch's. One bone alone says nothing of the twist about itself:
that of thighs and upper arms comes from knee and elbow, which bend about one axis; all else leans on the parent's turn.
"""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.keypoints import COCO_NAMES, JOINT_NAMES, JOINT_PARENTS, NUM_COCO, NUM_JOINTS

LEAN = 1e-3
"""m^2: pull towards the parent's rotation; a forearm of 25 cm weighs 60 times as much."""
FACE = COCO_NAMES.index("right_ear")
"""The last landmark of the head."""
HINGES = {
    # Joint, the next two along the limb, axis of the hinge at rest: the normal of upper and lower part when bent.
    "left_hip": ("left_knee", "left_ankle", (1.0, 0.0, 0.0)),
    "right_hip": ("right_knee", "right_ankle", (1.0, 0.0, 0.0)),
    "left_shoulder": ("left_elbow", "left_wrist", (0.0, -1.0, 0.0)),
    "right_shoulder": ("right_elbow", "right_wrist", (0.0, 1.0, 0.0)),
}


def _carried() -> tuple[tuple[int, ...], ...]:
    """Per joint the points that move with it, among the 41."""
    found: list[list[int]] = [[] for _ in range(NUM_JOINTS)]
    for joint, parent in enumerate(JOINT_PARENTS):
        if parent >= 0:
            found[parent].append(NUM_COCO + joint)
    for point, name in enumerate(COCO_NAMES):
        joint = JOINT_NAMES.index(name) if name in JOINT_NAMES else -1
        found[JOINT_PARENTS[joint] if joint >= 0 else JOINT_NAMES.index("head")].append(point)
    return tuple(tuple(points) for points in found)


CARRIED = _carried()
SKIN = 0.1
"""Weight of limbs' landmarks beside their joints: they move with the skin, not with the bone alone."""


def kabsch(covariance: np.ndarray) -> np.ndarray:
    """Sums of seen times rest vectors (B, 3, 3) -> the rotations (B, 3, 3) that take rest to seen."""
    u, _, vt = np.linalg.svd(covariance)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt


def solve_rotations(
    cloud: np.ndarray, betas: np.ndarray, body: BodyModel, lean_on: np.ndarray | None = None
) -> np.ndarray:
    """Points (B, 41, 3) metres, shapes (B, 10) -> local rotations (B, 24, 3, 3) float32; row 0 in the points' axes.

    ``lean_on``: local rotations (B, 24, 3, 3) to prefer where points say little, instead of the parent's turn.
    """
    count = len(cloud)
    zero = np.zeros((count, 3), np.float32)
    rest_body = body.forward(np.zeros((count, NUM_JOINTS, 3), np.float32), betas, zero)
    rest = np.concatenate((body.coco(rest_body.vertices), rest_body.joints), 1).astype(np.float64)
    seen = cloud.astype(np.float64)
    turns = np.tile(np.eye(3), (count, NUM_JOINTS, 1, 1))
    for joint, (name, parent) in enumerate(zip(JOINT_NAMES, JOINT_PARENTS, strict=True)):
        points, at = list(CARRIED[joint]), NUM_COCO + joint
        above = turns[:, max(parent, 0)]
        if lean_on is not None:
            covariance = LEAN * (above @ lean_on[:, joint] if parent >= 0 else lean_on[:, 0])
        else:
            covariance = LEAN * above if parent >= 0 else np.zeros((count, 3, 3))
        if points:
            arms = seen[:, points] - seen[:, at, None]
            weights = np.array([SKIN if FACE < point < NUM_COCO else 1.0 for point in points])[:, None]
            covariance = covariance + arms.transpose(0, 2, 1) @ ((rest[:, points] - rest[:, at, None]) * weights)
        if name in HINGES:
            middle, end, axis = HINGES[name]
            upper = seen[:, NUM_COCO + JOINT_NAMES.index(middle)] - seen[:, at]
            lower = seen[:, NUM_COCO + JOINT_NAMES.index(end)] - seen[:, NUM_COCO + JOINT_NAMES.index(middle)]
            # Its length is the product of both, times the sine of the bend: a straight limb tells nothing.
            covariance = covariance + np.cross(upper, lower)[..., None] * np.array(axis)
        turns[:, joint] = kabsch(covariance)
    parents = [max(parent, 0) for parent in JOINT_PARENTS]
    local = turns[:, parents].transpose(0, 1, 3, 2) @ turns
    local[:, 0] = turns[:, 0]
    return local.astype(np.float32)
