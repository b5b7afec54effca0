"""Heads learn order from order alone and metres from metres, of features that hold them."""

import pytest
import torch

from engines.networks.ordinal_heads import OrdinalHead
from engines.training.train_ordinal_heads import HEADS, LABELS, SeenCrops, head_figures, head_loss


def seen() -> SeenCrops:
    torch.manual_seed(0)
    features = torch.randn(64, 8, 10, 10)
    pooled = features.mean((2, 3)) * 5
    depth = torch.tanh(pooled @ torch.randn(8, 41)) * 0.5
    depth[:, 40] = torch.nan
    return SeenCrops(features=features, xy=torch.rand(64, 41, 2) - 0.5, known=torch.ones(64, 41), depth=depth)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", HEADS)
def test_a_head_learns_from_its_labels(name, labels):
    crops = seen()
    head = OrdinalHead(name, 8, bins=8)
    before = head_figures(head, crops)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05 if name == "volume" else 0.003)
    for _ in range(15):
        optimiser.zero_grad()
        head_loss(head, crops, torch.arange(64), labels).backward()
        optimiser.step()
    after = head_figures(head, crops)
    assert after["ordered"] > max(65.0, before["ordered"] + 5) and after["correlation"] > 0.3
    if name != "vector":
        assert after["error2d"] < before["error2d"]
