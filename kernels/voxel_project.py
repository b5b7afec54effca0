"""Front and side silhouettes of an occupancy grid, orthographic, as in BodyNet (ECCV 2018, section 3.4).

A ray is as occupied as its most occupied voxel, so the gradient of a silhouette goes to that voxel alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Silhouettes:
    """Of B grids (B, D, H, W)."""

    front: np.ndarray
    """(B, H, W): maximum over depth."""
    side: np.ndarray
    """(B, H, D): maximum over width."""
    front_argmax: np.ndarray
    """(B, H, W) int: depth index of the first voxel that attains the maximum."""
    side_argmax: np.ndarray
    """(B, H, D) int: width index likewise."""


def voxel_project(occupancy: np.ndarray) -> Silhouettes:
    """Projects grids (B, D, H, W), any real or boolean type. Raises ValueError on another shape or an empty axis."""
    if occupancy.ndim != 4 or 0 in occupancy.shape[1:]:
        raise ValueError(f"occupancy must be (B, D, H, W) with D, H, W > 0, got shape {occupancy.shape}")
    front_argmax = occupancy.argmax(axis=1)
    side_argmax = occupancy.argmax(axis=3)
    front = np.take_along_axis(occupancy, front_argmax[:, None], axis=1)[:, 0]
    side = np.take_along_axis(occupancy, side_argmax[..., None], axis=3)[..., 0]
    return Silhouettes(front, side.swapaxes(1, 2), front_argmax, side_argmax.swapaxes(1, 2))


def voxel_project_backward(grad_front: np.ndarray, grad_side: np.ndarray, silhouettes: Silhouettes) -> np.ndarray:
    """Gradient (B, D, H, W) with respect to the occupancy, from those of front (B, H, W) and side (B, H, D)."""
    batch, height, width = silhouettes.front.shape
    depth = silhouettes.side.shape[2]
    for name, grad, of in (("front", grad_front, silhouettes.front), ("side", grad_side, silhouettes.side)):
        if grad.shape != of.shape:
            raise ValueError(f"grad_{name} has shape {grad.shape}, the {name} silhouettes have {of.shape}")
    grad = np.zeros((batch, depth, height, width), np.result_type(grad_front, grad_side))
    np.put_along_axis(grad, silhouettes.front_argmax[:, None], grad_front[:, None], axis=1)
    # Both rays may end in one voxel: the second gradient is added. A voxel ends one ray of each view at most.
    index = silhouettes.side_argmax.swapaxes(1, 2)[..., None]
    ends = np.take_along_axis(grad, index, axis=3) + grad_side.swapaxes(1, 2)[..., None]
    np.put_along_axis(grad, index, ends, axis=3)
    return grad
