"""Geometry training data: truth is consistent with itself, corruption does what it says."""

import dataclasses

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import JOINT_MIRROR
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.mirror import mirrored_rotations
from engines.training.corruption import Corruption
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.motion_capture import PoseBank

CLEAN = Corruption(
    sigma=(1e-6, 1e-6), definition=0.0, drop_limb=0.0, drop_point=0.0, swap=0.0, outlier=0.0, drop_joints=0.0,
    drop_depth=0.0, keep_lost=0.0, certain=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def kinematics():
    return Kinematics(load_body())


def bank() -> PoseBank:
    pose = np.random.default_rng(0).normal(0, 0.3, (20, 24, 3)).astype(np.float32)
    pose[:, 22:] = 0
    return PoseBank(rotations=torch.from_numpy(rotation_matrices(pose)), weights=torch.full((20,), 0.05))


def test_mirrored_pose_is_the_mirrored_body(kinematics):
    rotations, betas = bank().rotations, torch.zeros(20, 10)
    _, joints = kinematics.chain(rotations, betas)
    _, other = kinematics.chain(mirrored_rotations(rotations), betas)
    expected = joints[:, list(JOINT_MIRROR)] * torch.tensor((-1.0, 1.0, 1.0))
    # The body's own left and right differ by a few millimetres at most.
    torch.testing.assert_close(other, expected, atol=0.01, rtol=0)


def test_truth_projects_onto_the_clean_points(kinematics):
    options = GeometryOptions(upper_only=0.0, cut=0.0, corruption=CLEAN)
    batch = GeometrySource(bank(), kinematics, options, seed=0).batch(64)
    _, joints = kinematics.chain(batch.rotations, batch.betas)
    torch.testing.assert_close(joints, batch.joints)
    moved = torch.cat((batch.landmarks, batch.joints), 1) + batch.translation[:, None]
    flat = moved[..., :2] / moved[..., 2:] / batch.half_tan[..., None]
    torch.testing.assert_close(flat, batch.image, atol=1e-4, rtol=1e-4)
    present = batch.points[..., 2] > 0
    assert present.float().mean() > 0.9
    torch.testing.assert_close(batch.points[..., :2][present], batch.image[present], atol=1e-3, rtol=0)


def test_people_stand_upright_before_the_camera(kinematics):
    options = GeometryOptions(mix=0, sit=0, tumble=0, turn_noise_deg=0, upper_only=0, cut=0, corruption=CLEAN)
    still = PoseBank(rotations=torch.eye(3).expand(1, 24, 3, 3).clone(), weights=torch.ones(1))
    batch = GeometrySource(still, kinematics, options, seed=0).batch(200)
    head, feet = batch.joints[:, 15], batch.joints[:, 7:9].mean(1)
    assert (head[:, 1] < feet[:, 1] - 0.7).all()
    # All headings occur: the chest points to every side.
    forward = batch.rotations[:, 0, :, 2]
    assert (forward[:, 0] > 0.7).any() and (forward[:, 0] < -0.7).any()
    assert (forward[:, 2] > 0.7).any() and (forward[:, 2] < -0.7).any()


def test_missing_points_are_all_zero_and_confidence_tells_noise(kinematics):
    noisy = dataclasses.replace(
        CLEAN, sigma=(0.005, 0.06), drop_limb=0.3, drop_point=0.1, drop_joints=0.5, drop_depth=0.5
    )
    options = GeometryOptions(corruption=noisy)
    batch = GeometrySource(bank(), kinematics, options, seed=0).batch(500)
    missing = batch.points[..., 2] == 0
    assert 0.1 < missing.float().mean() < 0.7
    assert not batch.points[missing].any()
    assert not batch.points[..., 3][batch.points[..., 4] == 0].any()
    error = (batch.points[..., :2] - batch.image).norm(dim=-1)
    sure, unsure = batch.points[..., 2] > 0.85, (batch.points[..., 2] < 0.6) & ~missing
    assert error[unsure].median() > 2 * error[sure].median()


def test_same_seed_same_stream(kinematics):
    one, two = (GeometrySource(bank(), kinematics, GeometryOptions(), seed=4) for _ in range(2))
    for _ in range(2):
        torch.testing.assert_close(one.batch(8).points, two.batch(8).points, rtol=0, atol=0)
