"""The ranking loss: the paper's three cases by value and gradient, over any labelled subset of pairs."""

import math

import numpy as np
import pytest
import torch

from engines.training.losses.ordinal import (
    ALL_PAIRS,
    BIN_M,
    depth_order,
    order_loss,
    ordered_share,
    ordinal_total,
    ranking_loss,
)

PAIR = torch.tensor([[0, 1]])


@pytest.mark.parametrize(
    ("label", "value", "slope"),
    [
        # z_i - z_j = 1.5; the slope is the derivative by z_i.
        (1.0, math.log(1 + math.exp(1.5)), 1 / (1 + math.exp(-1.5))),
        (-1.0, math.log(1 + math.exp(-1.5)), -1 / (1 + math.exp(1.5))),
        (0.0, 2.25, 3.0),
    ],
)
def test_the_three_cases(label, value, slope):
    z = torch.tensor([[2.0, 0.5]], requires_grad=True)
    loss = ranking_loss(z, torch.tensor([[label]]), PAIR)
    loss.backward()
    assert loss.item() == pytest.approx(value, rel=1e-6)
    torch.testing.assert_close(z.grad, torch.tensor([[slope, -slope]]))


def test_only_labelled_pairs_count():
    z = torch.tensor([[1.0, 4.0, -2.0], [0.0, 1.0, 2.0]], requires_grad=True)
    pairs = torch.tensor([[0, 1], [1, 2], [0, 2]])
    order = torch.tensor([[1.0, math.nan, math.nan], [math.nan, math.nan, -1.0]])
    loss = ranking_loss(z, order, pairs)
    loss.backward()
    assert loss.item() == pytest.approx((math.log(1 + math.exp(-3)) + math.log(1 + math.exp(2))) / 2, rel=1e-6)
    assert z.grad[0, 2] == 0 and z.grad[1, 1] == 0
    nothing = ranking_loss(z, torch.full((2, 3), math.nan), pairs)
    assert nothing.item() == 0 and torch.autograd.grad(nothing, z)[0].abs().max() == 0


def test_order_is_read_from_depth():
    depth = torch.tensor([[0.0, 0.3, 0.02, math.nan]])
    pairs = torch.tensor([[0, 1], [1, 0], [0, 2], [0, 3]])
    torch.testing.assert_close(depth_order(depth, pairs), torch.tensor([[1.0, -1.0, 0.0, math.nan]]), equal_nan=True)


def test_descent_sorts_the_depths_of_all_pairs():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4, 41, generator=generator) * 0.3
    truth[0, 5] = math.nan
    z = torch.zeros(4, 41, requires_grad=True)
    optimiser = torch.optim.Adam([z], lr=0.5)
    for _ in range(150):
        optimiser.zero_grad()
        ranking_loss(z, depth_order(truth)).backward()
        optimiser.step()
    assert ordered_share(z.detach() * BIN_M, truth) > 0.99
    assert ordered_share(-z.detach(), truth) < 0.05


def test_the_trunk_learns_order_from_logits_and_unknown_depths_are_left_alone():
    logits = torch.zeros(2, 41, 16, requires_grad=True)
    depth = torch.full((2, 41), math.nan)
    depth[0, :2] = torch.tensor([-0.4, 0.4])
    order_loss(logits, depth).backward()
    known = torch.zeros(2, 41, dtype=torch.bool)
    known[0, :2] = True
    assert (logits.grad.abs().amax(-1) > 0).equal(known)
    # Falling along the gradient brings point 0 nearer: mass moves to its first bins.
    assert logits.grad[0, 0, 0] > logits.grad[0, 0, -1] or logits.grad[0, 0, 0] < 0


def test_keypoints_weigh_a_hundred_times():
    assert ordinal_total(torch.tensor(0.7), torch.tensor(0.02)).item() == pytest.approx(2.7)


def test_all_pairs_are_there_once():
    assert len({tuple(sorted(pair)) for pair in ALL_PAIRS.tolist()}) == len(ALL_PAIRS) == 41 * 40 // 2


def test_the_trunks_training_takes_order_beside_or_instead_of_metres():
    from engines.networks.hourglass import Trunk, TrunkPreset
    from engines.training.train_trunk import batch_loss
    from engines.training.trunk_batches import TrunkBatch

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    trunk = Trunk(TrunkPreset(stacks=2, width=16, levels=2, stem_width=8, depth_bins=16, input_px=64))
    batch = TrunkBatch(
        images=rng.integers(0, 255, (2, 64, 64, 3), np.uint8),
        points=rng.uniform(1, 63, (2, 41, 3)).astype(np.float32),
        depth=rng.normal(0, 0.3, (2, 41)).astype(np.float32),
        parts=np.zeros((2, 16, 16), np.uint8),
    )
    device = torch.device("cpu")
    terms = {
        words: batch_loss(trunk, batch, device, ordinal=weight, metric=metric)[1]
        for words, weight, metric in (("default", 0.0, True), ("both", 2.0, True), ("order", 1.0, False))
    }
    assert set(terms["default"]) == {"points", "parts", "depth"}
    assert set(terms["both"]) == {"points", "parts", "depth", "order"}
    assert set(terms["order"]) == {"points", "parts", "order"}
    assert terms["both"]["order"] == pytest.approx(2 * terms["order"]["order"], rel=0.05)
    batch.depth[:] = np.nan
    assert batch_loss(trunk, batch, device, ordinal=1.0)[1]["order"] == 0
