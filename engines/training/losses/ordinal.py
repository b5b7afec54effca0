"""Ranking loss on depth order: Pavlakos, Zhou, Daniilidis, "Ordinal Depth Supervision" (CVPR 2018), section 3.1.

For a pair of points (i, j) with the label +1 (i is nearer), -1 (farther) or 0 (alike), and depths z that grow away from
the camera:

    +1: log(1 + exp(z_i - z_j))     -1: log(1 + exp(z_j - z_i))     0: (z_i - z_j)^2

Any subset of pairs may be labelled. Depths enter in units of the paper's bins, 1/32 m: the logistic then saturates over
some centimetres, as there. The total is the ranking loss plus 100 times the keypoint loss, which in the paper is a
squared difference of heatmaps, of a hundredth's size.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor
from torch.nn import functional

from engines.keypoints import NUM_POINTS
from engines.networks.hourglass import expected_depth

BIN_M = 1 / 32
ALIKE_M = 0.05
"""True depths that differ by less are labelled alike: about what a person at the pictures could tell apart."""
KEYPOINT_WEIGHT = 100.0
ALL_PAIRS = torch.tensor(list(combinations(range(NUM_POINTS), 2)))
"""(820, 2) pairs of the 41 points."""


def depth_order(depth: Tensor, pairs: Tensor = ALL_PAIRS, alike: float = ALIKE_M) -> Tensor:
    """Labels (B, K) of pairs (K, 2) from depths (B, P), NaN unknown: +1, -1, 0, and NaN where a depth is unknown.

    Weak labels come this way too: any number that grows with depth, in a unit in which `alike` makes sense.
    """
    gap = depth[:, pairs[:, 1]] - depth[:, pairs[:, 0]]
    order = torch.where(gap.abs() < alike, 0.0, gap.sign())
    return torch.where(gap.isfinite(), order, torch.nan)


def ranking_loss(z: Tensor, order: Tensor, pairs: Tensor = ALL_PAIRS) -> Tensor:
    """Mean over the labelled pairs, zero without any; z (B, P) in bins, order (B, K) with NaN for no label."""
    gap = z[:, pairs[:, 0]] - z[:, pairs[:, 1]]
    known = torch.isfinite(order)
    order = torch.where(known, order, 0.0)
    loss = torch.where(order == 0, gap.square(), functional.softplus(order * gap))
    return (loss * known).sum() / known.sum().clamp_min(1)


def ordinal_total(ranking: Tensor, keypoints: Tensor) -> Tensor:
    """The paper's sum."""
    return ranking + KEYPOINT_WEIGHT * keypoints


def order_loss(logits: Tensor, depth_m: Tensor) -> Tensor:
    """The trunk's depth logits (B, 41, bins) against the order of known depths (B, 41) metres, NaN unknown."""
    pairs = ALL_PAIRS.to(depth_m.device)
    return ranking_loss(expected_depth(logits) / BIN_M, depth_order(depth_m, pairs), pairs)


def ordered_share(depth: Tensor, truth: Tensor, alike: float = ALIKE_M) -> float:
    """Share of the pairs that truly differ in depth whose order is right, 0..1; NaN for none."""
    order = depth_order(truth, alike=alike)
    told = depth_order(depth, alike=0.0)
    differ = torch.isfinite(order) & (order != 0)
    return float((told == order)[differ].float().mean())
