"""The shipped mixture: energies by the textbook formula, exact derivatives, people rather than contortions."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.fitting.attached_points import FREE_JOINTS
from engines.fitting.energy import squares
from engines.fitting.pose_prior import DIMENSIONS, PRIOR_JOINTS, PosePrior
from engines.fitting.tangent import inverse_right_jacobian


@pytest.fixture(scope="module")
def prior():
    return PosePrior.load()


def test_energy_is_the_negative_logarithm_of_the_best_component(prior):
    rng = np.random.default_rng(0)
    weights = np.array([0.7, 0.3])
    means = rng.normal(0, 0.5, (2, DIMENSIONS))
    mix = rng.normal(0, 0.2, (2, DIMENSIONS, DIMENSIONS))
    covariances = mix @ mix.swapaxes(1, 2) + 0.1 * np.eye(DIMENSIONS)
    made = PosePrior.of(weights, means, covariances)
    vectors = rng.normal(0, 0.5, (6, 24, 3))
    flat = vectors[:, list(PRIOR_JOINTS)].reshape(6, -1)
    logs = np.stack(
        [
            np.log(w) + multivariate_normal(m, c).logpdf(flat)
            for w, m, c in zip(weights, means, covariances, strict=True)
        ]
    )
    energy = (made.residuals(vectors)[0] ** 2).sum(1)
    # Up to the constant that makes the least offset zero.
    np.testing.assert_allclose(energy - energy[0], -logs.max(0) + logs.max(0)[0], rtol=1e-8, atol=1e-6)
    assert made.offsets.min() == 0


def test_derivatives_are_those_of_finite_differences(prior):
    rotations = rotation_matrices(np.random.default_rng(1).normal(0, 0.4, (2, 24, 3)))
    _, by_turn = prior.residuals(rotation_vectors(rotations))
    free = list(FREE_JOINTS)
    for parameter in range(by_turn.shape[-1]):
        turn = np.zeros((2, len(free) * 3))
        turn[:, parameter] = 1e-5
        rows = []
        for sign in (1, -1):
            moved = rotations.copy()
            moved[:, free] = moved[:, free] @ rotation_matrices(sign * turn.reshape(2, -1, 3))
            rows.append(prior.residuals(rotation_vectors(moved))[0])
        np.testing.assert_allclose(by_turn[..., parameter], (rows[0] - rows[1]) / 2e-5, atol=2e-4)


def test_energy_is_that_of_the_residuals(prior):
    vectors = np.random.default_rng(2).normal(0, 0.6, (5, 24, 3))
    found, expected = prior.energy(vectors), squares(*prior.residuals(vectors))
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-10)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.hessian, expected.hessian, rtol=1e-8, atol=1e-8)


def test_inverse_jacobian_at_its_limits():
    np.testing.assert_allclose(inverse_right_jacobian(np.zeros(3)), np.eye(3), atol=1e-12)
    # Across the switch to the series nothing jumps.
    below, above = inverse_right_jacobian(np.array([0.01999, 0, 0])), inverse_right_jacobian(np.array([0.02001, 0, 0]))
    np.testing.assert_allclose(below, above, atol=2e-5)
    assert np.isfinite(inverse_right_jacobian(np.array([np.pi, 0, 0]))).all()


def test_it_knows_how_people_stand(prior):
    vectors = np.zeros((3, 24, 3))
    vectors[:, 16, 2], vectors[:, 17, 2] = -1.2, 1.2
    vectors[1, 4:6, 0] = -1.2  # knees bent forwards
    vectors[2, [4, 5, 18, 19]] = 2.0
    energy = (prior.residuals(vectors)[0] ** 2).sum(1)
    assert energy[0] < 40 < energy[1] < energy[2]
