"""Losses of an occupancy grid: voxels, and its silhouettes from the front and from the side.

BodyNet (ECCV 2018), sections 3.2 and 3.3: binary cross-entropy of the voxels, and of both maximum projections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kernels.voxel_project import Silhouettes, voxel_project, voxel_project_backward

PROJECTION_WEIGHT = 0.03
"""Of each silhouette beside the voxels. A voxel that ends both rays then gets four times the gradient of its fellows
(64 ** 3 terms in one mean, 64 ** 2 in the other, times the weight). At 0.1, before the voxels are learned, the network
fills the silhouette with a sheet one cell thick."""


@dataclass(frozen=True, slots=True)
class VolumeTruth:
    """Of B grids, axes depth, height, width."""

    voxels: Tensor
    """(B, D, H, W) bool: inside the body."""
    seen: Tensor
    """(B, H, W) bool: where some of the person, clothes included, is seen from the front."""
    classes: Tensor | None = None
    """(B, D, H, W) int64 parts, 0 outside: for the multi-class variant."""


class _Project(torch.autograd.Function):
    """`kernels.voxel_project`, forward and backward, on the CPU wherever the tensors are."""

    @staticmethod
    def forward(ctx: Any, grids: Tensor) -> tuple[Tensor, Tensor]:
        found = voxel_project(grids.detach().float().cpu().numpy())
        ctx.found, ctx.like = found, grids
        return torch.from_numpy(found.front).to(grids), torch.from_numpy(np.ascontiguousarray(found.side)).to(grids)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        found: Silhouettes = ctx.found
        front, side = (grad.float().cpu().numpy() for grad in grads)
        return torch.from_numpy(voxel_project_backward(front, side, found)).to(ctx.like)


def project(grids: Tensor) -> tuple[Tensor, Tensor]:
    """Grids (B, D, H, W) -> front (B, H, W) and side (B, H, D): the largest value along each ray, differentiable."""
    return _Project.apply(grids)


def occupied_logits(logits: Tensor) -> Tensor:
    """Logits (B, D, H, W), or of classes (B, C, D, H, W) with background first -> logits of any part of the body."""
    return logits if logits.ndim == 4 else logits[:, 1:].logsumexp(1) - logits[:, 0]


def volume_losses(logits: Tensor, truth: VolumeTruth, *, projections: bool) -> dict[str, Tensor]:
    """`voxels` and, if asked for, `front` and `side`; add them up as they are.

    Clothes are seen in the picture and are not in the voxels: columns of the grid where the person is seen and the
    body is not have no voxel truth, and the front silhouette covers them.
    """
    body = truth.voxels.any(1)
    known = ~(truth.seen & ~body)
    if truth.classes is None:
        each = functional.binary_cross_entropy_with_logits(logits, truth.voxels.to(logits), reduction="none")
    else:
        each = functional.cross_entropy(logits, truth.classes, reduction="none")
    losses = {"voxels": (each * known[:, None]).mean()}
    if projections:
        views = project(occupied_logits(logits))
        for name, view, silhouette in zip(
            ("front", "side"), views, (body | truth.seen, truth.voxels.any(3)), strict=True
        ):
            target = silhouette if name == "front" else silhouette.transpose(1, 2)
            losses[name] = PROJECTION_WEIGHT * functional.binary_cross_entropy_with_logits(view, target.to(view))
    return losses
