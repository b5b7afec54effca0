"""The paper's three heads: shapes, gradients, and that each can point at a place and a depth."""

import pytest
import torch

from engines.networks.hourglass import TrunkPreset
from engines.networks.ordinal_heads import OrdinalHead, OrdinalTrunk, VolumeHead, soft_argmax

HEADS = ("vector", "coordinates", "volume")
TINY = TrunkPreset(stacks=2, width=16, levels=2, stem_width=8, depth_bins=16, input_px=64)


@pytest.mark.parametrize("head", HEADS)
def test_all_outputs_have_their_shape_and_reach_the_stem(head):
    torch.manual_seed(0)
    net = OrdinalTrunk(TINY, head, bins=16)
    seen = net(torch.rand(2, 3, 64, 64) * 255)
    assert seen.heatmaps.shape == (2, 41, 16, 16) and seen.xy.shape == (2, 41, 2) and seen.depth.shape == (2, 41)
    for value in (seen.xy, seen.depth):
        (gradient,) = torch.autograd.grad(
            value.square().sum() + value.sum(), net.trunk.stem[0][0].weight, retain_graph=True
        )
        assert gradient.isfinite().all() and gradient.abs().max() > 0


@pytest.mark.parametrize("head", HEADS)
def test_a_head_learns_places_and_depths_of_few_pictures(head):
    torch.manual_seed(0)
    features, heatmaps = torch.randn(4, 16, 8, 8), torch.zeros(4, 41, 16, 16, requires_grad=True)
    xy, depth = torch.rand(4, 41, 2) * 1.4 - 0.7, torch.rand(4, 41) - 0.5
    net = OrdinalHead(head, 16, bins=16)
    optimiser = torch.optim.Adam([*net.parameters(), heatmaps], lr=0.05)

    def error():
        where, deep = net(features, heatmaps)
        return (where - xy).abs().mean() + (deep - depth).abs().mean()

    start = error().item()
    for _ in range(60):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    assert error().item() < 0.35 * start


def test_marginals_of_the_volume_are_distributions_of_one_volume():
    torch.manual_seed(0)
    head = VolumeHead(4, 8)
    torch.nn.init.normal_(head.conv.weight)
    features = torch.randn(2, 4, 3, 5)
    flat, deep = head(features)
    assert flat.shape == (2, 41, 3, 5) and deep.shape == (2, 41, 8)
    torch.testing.assert_close(flat.sum((2, 3)), torch.ones(2, 41))
    torch.testing.assert_close(deep.sum(2), torch.ones(2, 41))
    volume = head.conv(features).unflatten(1, (41, 8)).flatten(2).softmax(-1).view(2, 41, 8, 3, 5)
    torch.testing.assert_close(deep[1, 7, 3], volume[1, 7, 3].sum())


def test_soft_argmax_finds_a_peak():
    logits = torch.zeros(1, 1, 4, 8)
    logits[0, 0, 1, 6] = 50.0
    torch.testing.assert_close(soft_argmax(logits), torch.tensor([[[0.625, -0.25]]]))
