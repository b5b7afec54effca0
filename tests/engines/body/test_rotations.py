"""Rotation vectors against scipy, near 0 and near pi included."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engines.body.rotations import rotation_matrices, rotation_vectors

rng = np.random.default_rng(0)
AXES = rng.normal(size=(200, 3))
AXES /= np.linalg.norm(AXES, axis=1, keepdims=True)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 1e-4, 0.3, 1.5, 3.0, np.pi - 1e-4, np.pi - 1e-7, 4.0])
def test_matrices_are_scipys(angle: float) -> None:
    vectors = AXES * angle
    expected = Rotation.from_rotvec(vectors).as_matrix()
    np.testing.assert_allclose(rotation_matrices(vectors), expected, atol=1e-6)
    np.testing.assert_allclose(rotation_matrices(vectors.astype(np.float32)), expected, atol=3e-6)


@pytest.mark.parametrize("angle", [0.0, 1e-8, 1e-4, 0.3, 1.5, 3.0, np.pi - 1e-5])
def test_vectors_invert_matrices(angle: float) -> None:
    matrices = Rotation.from_rotvec(AXES * angle).as_matrix()
    np.testing.assert_allclose(rotation_vectors(matrices), AXES * angle, atol=1e-7)


def test_half_turns_keep_their_axis_up_to_sign() -> None:
    matrices = Rotation.from_rotvec(AXES * np.pi).as_matrix()
    vectors = rotation_vectors(matrices)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), np.pi, atol=1e-7)
    np.testing.assert_allclose(np.abs((vectors * AXES).sum(1)), np.pi, atol=1e-7)


def test_any_leading_shape() -> None:
    vectors = rng.normal(size=(2, 5, 3)).astype(np.float32)
    matrices = rotation_matrices(vectors)
    assert matrices.shape == (2, 5, 3, 3) and matrices.dtype == np.float32
    np.testing.assert_allclose(rotation_vectors(matrices), vectors, atol=1e-5)
