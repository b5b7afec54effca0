"""What the network reads of the points: coordinates free of the crop's place and size, and what was taken out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engines.keypoints import NUM_COCO, NUM_POINTS

FLAT = 5 * NUM_POINTS + 5
"""Length of `Observation.flat`."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Points of a batch, normalised by the confident landmarks' centre and spread."""

    xy: Tensor
    """(B, 41, 2) normalised; zero where missing."""
    confidence: Tensor
    """(B, 41, 1); zero where missing."""
    depth: Tensor
    """(B, 41, 2): depth in half metres relative to the pelvis, 1 where it is known."""
    centre: Tensor
    """(B, 2) crop units."""
    spread: Tensor
    """(B, 1) crop units."""
    half_tan: Tensor
    """(B, 1) tangent of half the crop's opening."""
    flat: Tensor
    """(B, FLAT) all of it for the residual MLP."""


def observe(points: Tensor, camera: Tensor) -> Observation:
    """points (B, 41, 5) and camera (B, 1) as in the network's inputs."""
    xy, confidence = points[..., :2], points[..., 2:3]
    landmarks, weight = xy[:, :NUM_COCO], confidence[:, :NUM_COCO]
    total = weight.sum(1) + 1e-3
    centre = (landmarks * weight).sum(1) / total
    gap = ((landmarks - centre[:, None]).square().sum(-1, keepdim=True) * weight).sum(1) / total
    spread = (gap + 1e-3).sqrt()
    present = (confidence > 0).to(xy.dtype)
    normal = ((xy - centre[:, None]) / spread[:, None]).clamp(-5, 5) * present
    depth = torch.cat((points[..., 3:4] * 2, points[..., 4:5]), -1)
    size = spread.log()
    flat = torch.cat(
        (normal.flatten(1), confidence.flatten(1), depth.flatten(1), centre, size, camera, size + camera), 1
    )
    return Observation(normal, confidence, depth, centre, spread, camera.exp(), flat)
