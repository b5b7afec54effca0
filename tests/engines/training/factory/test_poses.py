"""Mirroring is a mirror; draws are even over groups and leave out what they should."""

import numpy as np

from engines.body import load_body
from engines.keypoints import JOINT_MIRROR
from engines.training.factory.poses import disturb, heading, mirror_pose, pose_library, sit


def random_poses(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.4, (count, 24, 3)).astype(np.float32)


def test_mirrored_pose_gives_mirrored_joints():
    body = load_body()
    pose = random_poses(4)
    joints = body.joints(pose, np.zeros(10), np.zeros(3))
    mirrored = body.joints(mirror_pose(pose), np.zeros(10), np.zeros(3))
    wanted = joints[:, list(JOINT_MIRROR)] * (-1, 1, 1)
    np.testing.assert_allclose(mirrored, wanted, atol=2e-3)  # the mean body is symmetric to about a millimetre
    np.testing.assert_array_equal(mirror_pose(mirror_pose(pose)), pose)


def test_draws_are_even_over_clips_and_not_over_frames():
    """A clip of 5 frames beside one of 500: at least 1/4 of the draws come from it (half the draws, half of those)."""
    rotvec = random_poses(505) * 0.1
    rotvec[:, 0, 0] = np.where(np.arange(505) < 5, 0.5, -0.5)  # pitch of the root: mirror and noise keep it
    library = pose_library(rotvec, np.repeat([0, 1], [5, 500]), load_body(), clusters=4)
    rng = np.random.default_rng(0)
    share = np.mean([library.draw(rng)[0, 0] > 0 for _ in range(800)])
    assert share > 0.25


def test_upright_draws_are_upright():
    rotvec = random_poses(200)
    rotvec[:, 0] = 0
    rotvec[::2, 0, 0] = 1.5  # lying
    library = pose_library(rotvec, np.zeros(200, int), load_body(), clusters=4)
    np.testing.assert_array_equal(library.upright, np.arange(1, 200, 2))
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert library.draw_upright(rng)[0, 0] == 0


def test_sitting_brings_knees_forward_and_feet_below_them():
    body = load_body()
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = body.joints(sit(np.zeros((24, 3), np.float32), rng), np.zeros(10), np.zeros(3))[0]
        hips, knees, ankles = joints[[1, 2]], joints[[4, 5]], joints[[7, 8]]
        assert (knees[:, 2] - hips[:, 2] > 0.25).all()
        assert (ankles[:, 1] < knees[:, 1]).all()


def test_heading_and_noise():
    for yaw in (-2.0, 0.0, 1.2):
        assert abs(heading(np.array([0, yaw, 0])) - yaw) < 1e-6
    pose = random_poses(1)[0]
    change = disturb(pose, np.random.default_rng(0)) - pose
    assert (change[[0, 22, 23]] == 0).all()
    assert 0.01 < np.abs(change[1:22]).mean() < 0.15
