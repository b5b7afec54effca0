"""The exported graph's kinematics against the body model itself."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.networks.bilayer.kinematics import COARSE_LEVEL, Kinematics

TOLERANCE_M = 2e-6
"""float32 sums over a chain of nine joints."""


@pytest.fixture(scope="module")
def bodies():
    rng = np.random.default_rng(3)
    pose = rng.normal(0, 0.7, (5, 24, 3)).astype(np.float32)
    betas = rng.normal(0, 1.5, (5, 10)).astype(np.float32)
    body = load_body()
    kinematics = Kinematics(body)
    shape = torch.from_numpy(betas)
    turns, joints = kinematics.chain(torch.from_numpy(rotation_matrices(pose)), shape)
    return body, pose, betas, kinematics, turns, joints, shape


def test_joints_landmarks_and_coarse_mesh_are_the_bodys(bodies):
    body, pose, betas, kinematics, turns, joints, shape = bodies
    posed = body.forward(pose, betas, np.zeros((5, 3)))
    coarse = body.forward(pose, betas, np.zeros((5, 3)), level=COARSE_LEVEL)
    np.testing.assert_allclose(joints.numpy(), posed.joints, atol=TOLERANCE_M)
    landmarks = kinematics.landmarks(turns, joints, shape)
    np.testing.assert_allclose(landmarks.numpy(), body.coco(posed.vertices), atol=TOLERANCE_M)
    np.testing.assert_allclose(kinematics.coarse(turns, joints, shape).numpy(), coarse.vertices, atol=TOLERANCE_M)


def test_picked_vertices_are_those_of_the_whole(bodies):
    *_, kinematics, turns, joints, shape = bodies
    whole = kinematics.coarse(turns, joints, shape)
    picked = kinematics.coarse(turns, joints, shape, slice(4, None, 7))
    torch.testing.assert_close(picked, whole[:, 4::7])
