"""Rotations from points: a body's own points give it back, turned points turn it, and nothing breaks on none."""

import numpy as np
import pytest

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import JOINT_NAMES
from engines.methods.inverse_kinematics import kabsch, solve_rotations


@pytest.fixture(scope="module")
def scene():
    """Bodies whose elbows and knees bend as hinges, hence with a known twist above."""
    body, rng = load_body(), np.random.default_rng(0)
    count = 12
    pose = rng.normal(0, 0.15, (count, 24, 3)).astype(np.float32)
    pose[:, 0] = rng.normal(0, 2, (count, 3))
    for name, axis in (("left_knee", 0), ("right_knee", 0), ("left_elbow", 1), ("right_elbow", 1)):
        angle = rng.uniform(0.6, 1.6, count)
        pose[:, JOINT_NAMES.index(name)] = 0
        pose[:, JOINT_NAMES.index(name), axis] = -angle if name == "left_elbow" else angle
    for name in ("left_hip", "right_hip", "left_shoulder", "right_shoulder"):
        pose[:, JOINT_NAMES.index(name)] = rng.normal(0, 0.7, (count, 3))
    betas = rng.normal(0, 1, (count, 10)).astype(np.float32)
    posed = body.forward(pose, betas, np.zeros((count, 3), np.float32))
    return body, rotation_matrices(pose), betas, np.concatenate((body.coco(posed.vertices), posed.joints), 1)


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    trace = np.einsum("...ij,...ij->...", a, b)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def test_a_bodys_own_points_give_it_back(scene):
    body, rotations, betas, cloud = scene
    found = solve_rotations(cloud, betas, body)
    joints = body.joints(found, betas, np.zeros((len(cloud), 3), np.float32))
    assert np.linalg.norm(joints - cloud[:, 17:], axis=-1).mean() < 0.006
    error = angles(found, rotations).mean(0)
    # Twists of bent limbs come from their hinges: half a turn wrong would show here.
    for name in ("pelvis", "left_hip", "right_hip", "left_shoulder", "right_shoulder", "left_knee", "right_elbow"):
        assert error[JOINT_NAMES.index(name)] < 15, name


def test_turned_points_turn_the_root_alone(scene):
    body, _, betas, cloud = scene
    turn = rotation_matrices(np.array([0.5, 1.5, -1.0]))
    found, turned = (solve_rotations(points, betas, body) for points in (cloud, cloud @ turn.T))
    np.testing.assert_allclose(turned[:, 0], turn @ found[:, 0], atol=1e-4)
    np.testing.assert_allclose(turned[:, 1:], found[:, 1:], atol=1e-4)


def test_noise_and_nothing_give_rotations(scene):
    body, _, betas, cloud = scene
    noise = np.random.default_rng(1).normal(0, 0.1, cloud.shape)
    for points in (cloud + noise, np.zeros_like(cloud)):
        found = solve_rotations(points, betas, body)
        np.testing.assert_allclose(np.linalg.det(found), 1, atol=1e-4)


def test_kabsch_never_mirrors():
    mirrored = np.diag([1.0, 1.0, -0.5])[None]
    np.testing.assert_allclose(np.linalg.det(kabsch(mirrored)), 1)
