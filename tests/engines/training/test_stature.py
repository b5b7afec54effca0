"""After the correction a network is right about stature on average, and about nothing else otherwise than before."""

from dataclasses import replace

import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.motion_capture import PoseBank
from engines.training.stature import restore_stature

TINY = replace(
    PRESETS["small"], lifter_width=32, lifter_blocks=1, skeleton_channels=8, mesh_channels=4, refine_width=16
)


@pytest.mark.parametrize("channels", [(), (3,)])
def test_the_mean_stature_is_right_afterwards(channels):
    torch.manual_seed(0)
    net = BilayerNet(replace(TINY, feature_channels=channels), load_body())
    pose = 0.2 * torch.randn(20, 24, 3)
    bank = PoseBank(rotations=torch.from_numpy(rotation_matrices(pose.numpy())), weights=torch.full((20,), 0.05))
    batch = GeometrySource(bank, Kinematics(load_body()), GeometryOptions(), seed=0).batch(50)
    blank = tuple(torch.zeros(50, count, 1, 1) for count in channels)
    before = net.eval()(batch.points, batch.camera, blank)[-1]
    short = restore_stature(net, batch)
    after = net(batch.points, batch.camera, blank)[-1]
    assert short == pytest.approx(float((batch.betas - before.betas)[:, 0].mean()), abs=1e-6)
    assert float((batch.betas - after.betas)[:, 0].mean()) == pytest.approx(0, abs=1e-5)
    torch.testing.assert_close(after.betas[:, 1:], before.betas[:, 1:])
    torch.testing.assert_close(after.rotations, before.rotations)
    assert restore_stature(net, batch) == pytest.approx(0, abs=1e-5)
