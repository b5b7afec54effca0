"""Networks that lift points, asked of the points' mirror image too: the mean of both answers is a better one.

Left and right change places in a mirror, and x its sign. A network is not quite symmetric, so that its two answers err
apart; what they share of the truth remains (docs/methods/bilayer.md). Both are one call with twice the batch.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engines.keypoints import JOINT_MIRROR, POINT_MIRROR
from engines.networks.rotation6d import matrix_from_6d, six_from_matrix

_POINTS, _JOINTS = list(POINT_MIRROR), list(JOINT_MIRROR)
_SIGNS = ((1.0, -1.0, -1.0), (-1.0, 1.0, 1.0), (-1.0, 1.0, 1.0))
"""M R M for M = diag(-1, 1, 1), entry by entry."""


def with_mirror(points: Tensor) -> Tensor:
    """Points or clouds (B, 41, C), x first -> (2 B, 41, C): theirs, then those of the mirror images."""
    return torch.cat((points, _mirrored(points)))


def mirrored_map(level: Tensor) -> Tensor:
    """Feature maps (B, C, H, W), columns in reverse: as a product, for OpenVINO takes 0.4 ms for a slice of step -1."""
    reverse = np.eye(int(level.shape[-1]), dtype=np.float32)[::-1].copy()
    return level @ torch.from_numpy(reverse).to(level)


def mean_cloud(clouds: Tensor) -> Tensor:
    """Clouds (2 B, 41, 3) found for `with_mirror` -> their means (B, 41, 3)."""
    plain, mirrored = _halves(clouds)
    return (plain + _mirrored(mirrored)) / 2


def mirrored_rotations(rotations: Tensor) -> Tensor:
    """Local rotations (..., 24, 3, 3) of the mirror image: limbs swapped, M R M with M = diag(-1, 1, 1)."""
    return rotations[..., _JOINTS, :, :] * rotations.new_tensor(_SIGNS)


def mean_rotations(rotations: Tensor) -> Tensor:
    """Local rotations (2 B, 24, 3, 3) found for `with_mirror` -> the rotations between the two (B, 24, 3, 3).

    Where the two face different ways, roots more than 90 degrees apart, a body turned sideways is between them, which
    neither means: there the first alone counts.
    """
    plain, mirrored = _halves(rotations)
    mirrored = mirrored_rotations(mirrored)
    trace = (plain[:, 0] * mirrored[:, 0]).sum((1, 2))  # 1 + 2 cos of the angle between
    share = 0.5 * (trace > 1).to(rotations.dtype)[:, None, None]
    plain, mirrored = six_from_matrix(plain), six_from_matrix(mirrored)
    return matrix_from_6d(plain + share * (mirrored - plain))


def mean_placement(placement: Tensor) -> Tensor:
    """`engines.networks.bilayer.prediction.BodyPrediction.camera` (2 B, 3) likewise -> (B, 3)."""
    plain, mirrored = _halves(placement)
    return (plain + mirrored * placement.new_tensor((1.0, -1.0, 1.0))) / 2


def mean(values: Tensor) -> Tensor:
    """What a mirror does not change (2 B, C) -> (B, C)."""
    plain, mirrored = _halves(values)
    return (plain + mirrored) / 2


def _halves(values: Tensor) -> tuple[Tensor, Tensor]:
    both = values.reshape(2, -1, *values.shape[1:])
    return both[0], both[1]


def _mirrored(points: Tensor) -> Tensor:
    return torch.cat((-points[:, _POINTS, :1], points[:, _POINTS, 1:]), 2)
