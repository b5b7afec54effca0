"""6D rotations are rotations, and invert their inverse."""

import numpy as np
import torch

from engines.body.rotations import rotation_matrices
from engines.networks.rotation6d import matrix_from_6d, six_from_matrix


def test_round_trip():
    matrices = torch.from_numpy(rotation_matrices(np.random.default_rng(0).normal(0, 2, (50, 3))))
    torch.testing.assert_close(matrix_from_6d(six_from_matrix(matrices)), matrices, atol=1e-6, rtol=0)


def test_anything_becomes_a_rotation():
    six = torch.randn(200, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 3
    matrices = matrix_from_6d(six)
    eye = torch.eye(3, dtype=torch.float64).expand(200, 3, 3)
    torch.testing.assert_close(
        matrices @ matrices.transpose(1, 2), eye, atol=1e-4, rtol=0
    )  # the guard at zero costs this much when axes are nearly parallel
    assert (torch.linalg.det(matrices) > 0.99).all()


def test_zero_has_finite_gradients():
    six = torch.zeros(1, 6, requires_grad=True)
    matrix_from_6d(six).sum().backward()
    assert six.grad is not None and six.grad.isfinite().all()
