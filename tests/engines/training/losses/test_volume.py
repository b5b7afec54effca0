"""Losses of volumes: gradients, clothes, classes."""

from __future__ import annotations

import pytest
import torch

from engines.training.losses.volume import PROJECTION_WEIGHT, VolumeTruth, occupied_logits, project, volume_losses


def example():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 4, 3, generator=rng, dtype=torch.float64)
    voxels = torch.rand(2, 5, 4, 3, generator=rng) < 0.2
    return logits, VolumeTruth(voxels, voxels.any(1))


def test_projection_is_the_maximum_along_rays():
    logits, _ = example()
    front, side = project(logits)
    torch.testing.assert_close(front, logits.amax(1).float().double())
    torch.testing.assert_close(side, logits.amax(3).transpose(1, 2).float().double())


def test_projection_gradient_is_that_of_the_maximum():
    logits, _ = example()
    weight_front, weight_side = torch.randn(2, 4, 3).double(), torch.randn(2, 4, 5).double()

    def gradient(views) -> torch.Tensor:
        leaf = logits.clone().requires_grad_()
        front, side = views(leaf)
        ((front * weight_front).sum() + (side * weight_side).sum()).backward()
        assert leaf.grad is not None
        return leaf.grad

    ours = gradient(project)
    theirs = gradient(lambda x: (x.amax(1), x.amax(3).transpose(1, 2)))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_losses_fall_along_their_gradient_to_the_truth():
    logits, truth = example()
    leaf = torch.zeros_like(logits).requires_grad_()
    for _ in range(300):
        total = torch.stack(list(volume_losses(leaf, truth, projections=True).values())).sum()
        (gradient,) = torch.autograd.grad(total, leaf)
        with torch.no_grad():
            leaf -= 20 * gradient
    assert torch.equal(leaf > 0, truth.voxels)


def test_perfect_volumes_cost_nothing_and_silhouettes_cost_their_weight():
    _, truth = example()
    sure = torch.where(truth.voxels, 30.0, -30.0)
    assert all(loss < 1e-6 for loss in volume_losses(sure, truth, projections=True).values())
    empty = torch.full_like(sure, -30.0)
    share = truth.voxels.any(1).double().mean()
    assert volume_losses(empty, truth, projections=True)["front"] == pytest.approx(
        float(PROJECTION_WEIGHT * 30 * share)
    )


def test_clothes_are_known_from_the_front_alone():
    voxels = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    voxels[:, 1:3, 1:3, 1:3] = True
    seen = torch.zeros(1, 4, 4, dtype=torch.bool)
    seen[:, 1:3] = True  # a cloak: wider than the body
    truth = VolumeTruth(voxels, seen)
    logits = torch.zeros(1, 4, 4, 4, requires_grad=True)
    volume_losses(logits, truth, projections=False)["voxels"].backward()
    cloak = seen & ~voxels.any(1)
    assert (logits.grad.abs().amax(1)[cloak] == 0).all()
    assert (logits.grad.abs().amax(1)[~cloak] > 0).all()
    logits.grad = None
    volume_losses(logits, truth, projections=True)["front"].backward()
    assert (logits.grad.sum(1)[cloak] < 0).all()  # and the silhouette asks for it


def test_side_silhouette_has_depth_across():
    voxels = torch.zeros(1, 6, 4, 3, dtype=torch.bool)
    voxels[0, 5, 1] = True
    truth = VolumeTruth(voxels, voxels.any(1))
    right, wrong = (torch.full((1, 6, 4, 3), -9.0) for _ in range(2))
    right[0, 5, 1], wrong[0, 0, 1] = 9.0, 9.0
    losses = [volume_losses(x, truth, projections=True) for x in (right, wrong)]
    assert losses[0]["side"] < 1e-3 < losses[1]["side"]
    assert losses[0]["front"] == losses[1]["front"]


def test_classes_are_occupied_together():
    logits = torch.tensor([0.5, 1.0, -2.0]).view(1, 3, 1, 1, 1)
    inside = logits.softmax(1)[:, 1:].sum()
    assert occupied_logits(logits).sigmoid().item() == pytest.approx(float(inside))
    voxels = torch.tensor([[[[True]]]])
    truth = VolumeTruth(voxels, voxels.any(1), torch.ones(1, 1, 1, 1, dtype=torch.long))
    expected = -float(logits.log_softmax(1)[0, 1])
    assert volume_losses(logits, truth, projections=False)["voxels"].item() == pytest.approx(expected)
