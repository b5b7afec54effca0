"""The continuous 6D rotation representation (Zhou et al., CVPR 2019): the first two columns of the matrix."""

from __future__ import annotations

import torch
from torch import Tensor

_NEXT, _LAST = [1, 2, 0], [2, 0, 1]


def matrix_from_6d(six: Tensor) -> Tensor:
    """(..., 6), two 3-vectors one after the other -> (..., 3, 3) rotations by Gram-Schmidt; safe at zero length."""
    a, b = six[..., :3], six[..., 3:]
    x = a / (a.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    b = b - (x * b).sum(-1, keepdim=True) * x
    y = b / (b.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    # The cross product is written out: exporters of torch.cross differ, sums and products do not.
    z = x[..., _NEXT] * y[..., _LAST] - x[..., _LAST] * y[..., _NEXT]
    return torch.stack((x, y, z), dim=-1)


def six_from_matrix(matrix: Tensor) -> Tensor:
    """(..., 3, 3) -> (..., 6): inverse of `matrix_from_6d` on rotations."""
    return torch.cat((matrix[..., :, 0], matrix[..., :, 1]), dim=-1)
