"""The trunk's losses: what they reward, and that unknown labels weigh nothing."""

import pytest
import torch

from engines.networks.hourglass import expected_depth
from engines.training.losses.trunk import (
    PART_SOME_PERSON,
    PART_UNKNOWN,
    depth_loss,
    heatmap_loss,
    heatmap_targets,
    part_loss,
)


def points(*rows):
    return torch.tensor([rows], dtype=torch.float32)


def test_targets_are_distributions_centred_on_the_point():
    target, weight = heatmap_targets(points((100.0, 60.0, 0.7)), 48, 192)
    assert target.sum().item() == pytest.approx(1, abs=1e-4)
    grid = (torch.arange(48) + 0.5) * 4
    assert (target[0, 0].sum(0) @ grid).item() == pytest.approx(100, abs=0.5)
    assert (target[0, 0].sum(1) @ grid).item() == pytest.approx(60, abs=0.5)
    assert weight.item() == pytest.approx(0.7)


def test_a_point_outside_asks_for_uncertainty():
    target, weight = heatmap_targets(points((-30.0, 60.0, 1.0)), 16, 64)
    assert target.min() == target.max() == 1 / 256
    assert weight.item() == pytest.approx(0.1)


def test_heatmap_loss_is_least_at_the_target_and_ignores_the_unknown():
    target, weight = heatmap_targets(points((30.0, 30.0, 1.0), (10.0, 50.0, 0.0)), 16, 64)
    right = target.clamp_min(1e-9).log()
    shifted = right.roll(4, dims=-1)
    assert heatmap_loss(right, target, weight) < heatmap_loss(shifted, target, weight)
    spoiled = right.clone()
    spoiled[:, 1] = torch.randn(16, 16) * 9
    assert heatmap_loss(spoiled, target, weight) == heatmap_loss(right, target, weight)


def test_part_loss_takes_any_part_for_some_person():
    parts = torch.full((1, 2, 2), PART_SOME_PERSON, dtype=torch.uint8)
    logits = torch.full((1, 16, 2, 2), -20.0)
    logits[:, 5] = 20
    assert part_loss(logits, parts) < 1e-3
    logits[:, 0] = 60  # now background
    assert part_loss(logits, parts) > 10
    assert part_loss(logits, torch.full_like(parts, PART_UNKNOWN)) == 0


def test_depth_loss_gradient_moves_the_estimate_to_the_truth():
    logits = torch.zeros(1, 2, 16, requires_grad=True)
    truth = torch.tensor([[0.45, float("nan")]])
    optimiser = torch.optim.Adam([logits], lr=0.2)
    for _ in range(200):
        optimiser.zero_grad()
        depth_loss(logits, truth).backward()
        optimiser.step()
    assert expected_depth(logits)[0, 0].item() == pytest.approx(0.45, abs=0.02)
    assert logits[0, 1].abs().max() == 0  # nothing was known of the second point
