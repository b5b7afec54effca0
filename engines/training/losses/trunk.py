"""Losses of the trunk's heads. Every one is a mean over what is known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from engines.networks.hourglass import DEPTH_RANGE_M, expected_depth
from kernels.decode_heatmaps import WINDOW_RADIUS

PART_UNKNOWN, PART_SOME_PERSON = 255, 254


def heatmap_targets(points_px: Tensor, cells: int, size_px: int, sigma_cells: float = 1.5) -> tuple[Tensor, Tensor]:
    """Target distributions (..., cells, cells) over the picture and weights (...) of points (..., 3).

    A point outside the crop gets the uniform distribution (the network should not be sure of any place) at a tenth of
    its weight; one with weight 0 is unknown and weighs nothing.
    """
    grid = torch.arange(cells, device=points_px.device) + 0.5
    xy = points_px[..., :2] * (cells / size_px)
    across, down = (torch.exp(-((grid - xy[..., i : i + 1]) ** 2) / (2 * sigma_cells**2)) for i in (0, 1))
    gaussian = down.unsqueeze(-1) * across.unsqueeze(-2)
    inside = ((xy >= 0) & (xy < cells)).all(-1)
    total = gaussian.sum((-2, -1), keepdim=True)
    uniform = torch.full_like(gaussian, 1 / cells**2)
    target = torch.where(inside[..., None, None], gaussian / total.clamp_min(1e-6), uniform)
    return target, points_px[..., 2] * torch.where(inside, 1.0, 0.1)


def heatmap_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy between softmax over the picture and target, both (..., h, w), weighted mean over points."""
    log_p = logits.float().flatten(-2).log_softmax(-1)
    cross_entropy = -(target.flatten(-2) * log_p).sum(-1)
    return (cross_entropy * weight).sum() / weight.sum().clamp_min(1.0)


def place_loss(logits: Tensor, points_px: Tensor, spread_cells: Tensor, size_px: int) -> Tensor:
    """One minus OKS of the places as `kernels.decode_heatmaps` reads them, (K, n, n) logits of points (K, 3): weighted
    mean over those in the crop. Cross-entropy shapes whole maps; this moves their means onto the labels.

    ``spread_cells``: (K,) distance, in cells, at which a point's similarity is exp(-1/2).
    """
    cells = logits.shape[-1]
    probability = logits.float().flatten(-2).softmax(-1)
    peak = probability.detach().argmax(-1, keepdim=True)
    grid = torch.arange(cells, device=logits.device)
    rows, columns = ((grid - at).abs() <= WINDOW_RADIUS for at in (peak // cells, peak % cells))
    window = probability.unflatten(-1, (cells, cells)) * (rows.unsqueeze(-1) & columns.unsqueeze(-2))
    total = window.sum((-2, -1)).clamp_min(1e-9)
    found = torch.stack([(window.sum(axis) * (grid + 0.5)).sum(-1) / total for axis in (-2, -1)], -1)
    true = points_px[..., :2] * (cells / size_px)
    apart = (found - true).square().sum(-1) / spread_cells**2
    weight = points_px[..., 2] * ((true >= 0) & (true < cells)).all(-1)
    return ((1 - torch.exp(-apart / 2)) * weight).sum() / weight.sum().clamp_min(1.0)


def part_loss(logits: Tensor, parts: Tensor) -> Tensor:
    """Spatial cross-entropy; pixels known only as "person" pay for the sum of all parts' probabilities."""
    log_p = logits.float().log_softmax(1)
    parts = parts.long()
    known, person = parts < PART_SOME_PERSON, parts == PART_SOME_PERSON
    exact = -log_p.gather(1, torch.where(known, parts, 0).unsqueeze(1)).squeeze(1)
    any_part = -log_p[:, 1:].logsumexp(1)
    return (exact * known + any_part * person).sum() / (known | person).sum().clamp_min(1)


def depth_loss(logits: Tensor, depth_m: Tensor) -> Tensor:
    """Soft cross-entropy on the two nearest bins plus L1 of the soft-argmax, over known depths."""
    known = torch.isfinite(depth_m)
    depth = torch.where(known, depth_m, 0.0).clamp(-DEPTH_RANGE_M + 1e-3, DEPTH_RANGE_M - 1e-3)
    bins = logits.shape[-1]
    position = (depth + DEPTH_RANGE_M) / (2 * DEPTH_RANGE_M) * bins - 0.5
    low = position.floor().clamp(0, bins - 2)
    fraction = (position - low).clamp(0, 1)
    log_p = logits.float().log_softmax(-1)
    at_low = log_p.gather(-1, low.long().unsqueeze(-1)).squeeze(-1)
    at_high = log_p.gather(-1, low.long().unsqueeze(-1) + 1).squeeze(-1)
    cross_entropy = -(at_low * (1 - fraction) + at_high * fraction)
    l1 = functional.l1_loss(expected_depth(logits), depth, reduction="none")
    return ((0.3 * cross_entropy + 3 * l1) * known).sum() / known.sum().clamp_min(1)
