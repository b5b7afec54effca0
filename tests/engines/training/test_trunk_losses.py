"""The trunk's losses: what they reward, and that unknown labels weigh nothing."""

import numpy as np
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
    place_loss,
)
from kernels.decode_heatmaps import decode_heatmaps


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


def place_maps(points: torch.Tensor, shift: int) -> torch.Tensor:
    """(K, 64, 64) logits whose peaks lie ``shift`` cells to the right of the points."""
    target, _ = heatmap_targets(points, 64, 256)
    return target.clamp_min(1e-9).log().roll(shift, -1).requires_grad_()


def test_place_loss_is_one_minus_oks_of_the_places_that_the_decoder_reads():
    points = torch.tensor([[101.0, 60, 1], [30, 199, 1]])
    maps = place_maps(points, 2)
    decoded = decode_heatmaps(maps.detach().flatten(1).softmax(-1).view(1, 2, 64, 64).numpy(), 256)[0]
    spread = np.array([3.0, 1.5])
    apart = np.linalg.norm(decoded[:, :2] - points[:, :2].numpy(), axis=-1) / 4
    expected = (1 - np.exp(-((apart / spread) ** 2) / 2)).mean()
    assert place_loss(maps, points, torch.from_numpy(spread), 256).item() == pytest.approx(expected, rel=1e-4)


def test_descending_the_place_loss_moves_places_onto_labels():
    points = torch.tensor([[101.0, 60, 1]])
    maps, spread = place_maps(points, 2), torch.tensor([2.0])
    descent = torch.optim.SGD([maps], 20)
    losses = []
    for _ in range(20):
        descent.zero_grad()
        losses.append(place_loss(maps, points, spread, 256))
        losses[-1].backward()
        descent.step()
    assert losses[-1] < 0.3 * losses[0]


def test_points_outside_the_crop_or_unknown_have_no_place():
    points = torch.tensor([[300.0, 60, 1], [30, 199, 0], [101, 60, 1]])
    maps, spread = place_maps(points, 2), torch.tensor([2.0, 2.0, 2.0])
    alone = place_loss(maps[2:], points[2:], spread[2:], 256)
    assert place_loss(maps, points, spread, 256).item() == pytest.approx(alone.item())
    assert place_loss(maps[:2], points[:2], spread[:2], 256) == 0
