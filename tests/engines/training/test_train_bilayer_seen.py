"""Growing a network: new inputs change nothing until they are trained."""

import dataclasses

import pytest
import torch

from engines.body import load_body
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.training.start_weights import narrowed
from engines.training.train_bilayer_seen import grown


def test_grown_network_answers_as_before():
    small = dataclasses.replace(
        PRESETS["small"], lifter_width=32, lifter_blocks=1, skeleton_channels=8, mesh_channels=4, refine_width=16
    )
    body = load_body()
    before = BilayerNet(small, body).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in before.parameters():
            weight += 0.05 * torch.randn(weight.shape, generator=generator)
    after = BilayerNet(dataclasses.replace(small, feature_channels=(5,)), body).eval()
    after.load_state_dict(grown(before.state_dict(), after), strict=False)
    points = torch.rand(3, 41, 5, generator=generator)
    camera, features = torch.full((3, 1), -1.0), torch.randn(3, 5, 6, 6, generator=generator)
    torch.testing.assert_close(after(points, camera, (features,))[-1].joints, before(points, camera)[-1].joints)
    # And back: without the new inputs it is the old network.
    torch.testing.assert_close(narrowed(after.state_dict(), before), dict(before.state_dict()))
    with pytest.raises(ValueError, match="pass zeros"):
        after(points, camera)
