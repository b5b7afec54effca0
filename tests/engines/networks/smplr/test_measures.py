"""What the regressors read: the same from every side, and lengths that pose leaves alone."""

import numpy as np
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import NUM_COCO, POINT_NAMES
from engines.networks.smplr.measures import (
    ANCHORS,
    IS_JOINT_PAIR,
    PAIRS,
    RELATIVE,
    distances,
    relative_points,
    trunk_frame,
)


def cloud(seed: int, pose_scale: float = 0.4, betas: float = 0.0, count: int = 6) -> torch.Tensor:
    body, rng = load_body(), np.random.default_rng(seed)
    pose = rng.normal(0, pose_scale, (count, 24, 3)).astype(np.float32)
    shape = betas * rng.normal(0, 1, (count, 10)).astype(np.float32)
    posed = body.forward(pose, shape, np.zeros((count, 3), np.float32))
    return torch.from_numpy(np.concatenate((body.coco(posed.vertices), posed.joints), 1))


def test_the_frame_turns_with_the_body_and_relative_points_do_not():
    points = cloud(0)
    turn = torch.from_numpy(rotation_matrices(np.array([[0.3, 2.0, -0.7]], np.float32)))[0]
    frame, turned = trunk_frame(points), trunk_frame(points @ turn.T)
    torch.testing.assert_close(turned, turn @ frame, atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(frame), torch.ones(len(points)))
    same = relative_points(points @ turn.T, turned)
    torch.testing.assert_close(same, relative_points(points, frame), atol=1e-5, rtol=0)


def test_a_body_at_rest_has_the_bodys_own_axes():
    frame = trunk_frame(cloud(0, pose_scale=0.0, count=1))[0]
    assert torch.linalg.matrix_norm(frame - torch.eye(3)) < 0.1


def test_points_in_one_place_are_finite():
    nothing = torch.zeros(1, 41, 3)
    assert relative_points(nothing, trunk_frame(nothing)).isfinite().all() and distances(nothing).isfinite().all()


def test_distances_tell_of_shape_and_hardly_of_pose():
    still, moved, other = (distances(cloud(1, scale, betas)) for scale, betas in ((0.0, 0.0), (0.4, 0.0), (0.0, 1.5)))
    joints = torch.tensor(IS_JOINT_PAIR)
    by_pose, by_shape = (moved - still).abs().mean(0), (other - still).abs().mean(0)
    # Bones are rigid but for shoulders on collars; landmarks move a little with the skin.
    assert by_pose[joints].median() < 1e-4
    assert by_pose.mean() < 0.5 * by_shape.mean()


def test_every_point_but_the_pelvis_has_an_anchor_and_every_bone_is_measured():
    assert len(RELATIVE) == 40 and all(point != anchor for point, anchor in zip(RELATIVE, ANCHORS, strict=True))
    named = {POINT_NAMES[point]: POINT_NAMES[anchor] for point, anchor in zip(RELATIVE, ANCHORS, strict=True)}
    assert named["left_wrist"] == named["joint_left_wrist"] == "joint_left_elbow"
    assert named["nose"] == "joint_head" and named["joint_left_hip"] == "joint_pelvis"
    bones = {tuple(sorted(pair)) for pair in zip(RELATIVE, ANCHORS, strict=True) if min(pair) >= NUM_COCO}
    assert len(bones) == 23 and bones <= set(PAIRS)
