"""Validation judges what ships: the mean of a network's answers to points and to their mirror image."""

from dataclasses import replace

import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import JOINT_MIRROR, POINT_MIRROR
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.motion_capture import PoseBank
from engines.training.validate_lifting import deployed_predictor, network_predictor

TINY = replace(
    PRESETS["small"], lifter_width=32, lifter_blocks=1, skeleton_channels=8, mesh_channels=4, refine_width=16
)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_mirrored_points_give_the_mirrored_body(channels):
    torch.manual_seed(0)
    net = BilayerNet(replace(TINY, feature_channels=channels), load_body()).train()
    pose = 0.2 * torch.randn(20, 24, 3)
    bank = PoseBank(rotations=torch.from_numpy(rotation_matrices(pose.numpy())), weights=torch.full((20,), 0.05))
    batch = GeometrySource(bank, Kinematics(load_body()), GeometryOptions(tumble=0), seed=0).batch(30)
    points = batch.points[:, list(POINT_MIRROR)].clone()
    points[..., 0] *= -1
    mirrored = replace(batch, points=points)
    across = torch.tensor((-1.0, 1, 1))
    with torch.no_grad():
        plain, other = deployed_predictor(net)(batch), deployed_predictor(net)(mirrored)
        torch.testing.assert_close(other.joints, plain.joints[:, list(JOINT_MIRROR)] * across, atol=1e-5, rtol=0)
        turns, joints = net.body.chain(plain.rotations, plain.betas)
        torch.testing.assert_close(plain.joints, joints)
        torch.testing.assert_close(plain.turns, turns)
        if not channels:
            one, two = network_predictor(net)(batch), network_predictor(net)(mirrored)
            assert (two.joints - one.joints[:, list(JOINT_MIRROR)] * across).abs().max() > 1e-3, "it is not symmetric"
    assert net.training
