"""The trunk as it is exported says what the trunk of the trainings says."""

import pytest
import torch

from engines.networks.deploy import build_trunk
from engines.networks.hourglass import expected_depth


@pytest.mark.parametrize(("preset", "spread"), [("small", 0.5), ("vgg16:0.25:64:norm", 0.02)])
def test_maps_and_depths_in_another_order_are_the_same(preset, spread):
    torch.manual_seed(0)
    deployed = build_trunk(preset).eval()
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        for head in (*deployed.trunk.point_heads, deployed.trunk.depth_head):
            # Untrained heads say next to nothing: every map would be flat, every depth zero.
            torch.nn.init.normal_(head.conv.weight if hasattr(head, "conv") else head.weight, std=spread)
        heatmaps, depth, parts, features = deployed(crops)
        plain = deployed.trunk(crops.float().permute(0, 3, 1, 2))
    logits = plain.heatmaps[-1]
    torch.testing.assert_close(heatmaps, logits.flatten(2).softmax(-1).view_as(logits), atol=1e-6, rtol=1e-4)
    assert depth.std() > 0.01
    torch.testing.assert_close(depth, expected_depth(plain.depth), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(parts, plain.parts)
    torch.testing.assert_close(features, plain.features)
