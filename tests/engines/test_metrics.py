"""The measures against their definitions, known numbers and invariances."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from engines.metrics import (
    acceleration_error,
    align,
    jitter,
    mpjpe,
    oks,
    pa_mpjpe,
    pck,
    pve,
)


def points(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_mpjpe_of_a_known_offset():
    truth = points(0, 24, 3)
    moved = truth.copy()
    moved[5] += (0.0, 3.0, 4.0)
    assert mpjpe(moved, truth) == pytest.approx(5 / 24)
    assert mpjpe(truth + 7, truth) == pytest.approx(0)
    assert mpjpe(truth + 7, truth, root=()) == pytest.approx(7 * 3**0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_pa_mpjpe_ignores_similarity_transforms(seed, scale):
    truth = points(seed, 4, 14, 3)
    turned = scale * truth @ Rotation.random(rng=seed).as_matrix().T + points(seed + 1, 3)
    np.testing.assert_allclose(pa_mpjpe(turned, truth), 0, atol=1e-9)


def test_alignment_is_the_least_squares_one():
    """Oracle: a numerical minimisation over rotation vector, log scale and shift finds nothing better."""
    truth, predicted = points(1, 14, 3), points(2, 14, 3)

    def loss(x):
        moved = np.exp(x[3]) * predicted @ Rotation.from_rotvec(x[:3]).as_matrix().T + x[4:]
        return ((moved - truth) ** 2).sum()

    best = min(minimize(loss, np.r_[start, 0, 0, 0, 0]).fun for start in points(3, 20, 3) * 2)
    assert ((align(predicted, truth) - truth) ** 2).sum() == pytest.approx(best, rel=1e-6)


def test_alignment_never_mirrors():
    truth = points(4, 14, 3)
    mirrored = truth * (-1, 1, 1)
    assert pa_mpjpe(mirrored, truth) > 0.2
    assert pa_mpjpe(mirrored, mirrored) == pytest.approx(0, abs=1e-9)


def test_alignment_of_degenerate_points_stays_finite():
    truth = points(5, 14, 3)
    np.testing.assert_allclose(align(np.ones((14, 3)), truth), np.tile(truth.mean(0), (14, 1)))
    assert np.isfinite(pa_mpjpe(truth * (1, 1, 0), truth))


def test_batches_equal_single_calls():
    predicted, truth = points(6, 5, 14, 3), points(7, 5, 14, 3)
    for measure in (mpjpe, pa_mpjpe, pve):
        np.testing.assert_allclose(
            measure(predicted, truth), [measure(p, t) for p, t in zip(predicted, truth, strict=True)]
        )


def test_pve_subtracts_roots():
    truth = points(8, 2, 100, 3)
    shift = np.array([[1.0, 2.0, 2.0], [0.0, 0.0, 5.0]])
    np.testing.assert_allclose(pve(truth + shift[:, None], truth), [3, 5])
    np.testing.assert_allclose(pve(truth + shift[:, None], truth, shift, np.zeros((2, 3))), 0, atol=1e-12)
    with pytest.raises(ValueError, match="both roots"):
        pve(truth, truth, root=shift)


def test_oks_at_one_sigma_and_its_mask():
    """A point k = 2 sigma sqrt(area) away scores exp(-1/2), by COCO's definition."""
    truth = points(9, 17, 2) * 50
    box = np.array([0.0, 0.0, 100.0, 200.0])
    visible = np.ones(17, bool)
    assert oks(truth, truth, visible, box) == pytest.approx(1)
    moved = truth.copy()
    moved[9, 0] += 2 * 0.062 * np.sqrt(0.53 * 100 * 200)
    assert oks(moved, truth, visible, box) == pytest.approx((16 + np.exp(-0.5)) / 17)
    visible[9] = False
    assert oks(moved, truth, visible, box) == pytest.approx(1)
    assert np.isnan(oks(moved, truth, np.zeros(17, bool), box))


def test_pck_counts_visible_points_within_reach():
    truth = np.zeros((2, 4, 2))
    predicted = np.array([[[0, 0], [0, 1], [3, 4], [9, 9]]] * 2, float)
    visible = np.array([[True, True, True, False], [True, True, True, True]])
    np.testing.assert_allclose(pck(predicted, truth, visible, np.array([5.0, 0.5])), [1.0, 0.25])
    np.testing.assert_allclose(pck(predicted, truth, visible, 2.0), [2 / 3, 0.5])


def test_acceleration_of_a_parabola_and_jerk_of_a_cubic():
    t = np.arange(20)[:, None, None] / 30
    still = np.zeros((20, 24, 3))
    assert acceleration_error(np.array([0, 0, 0.5]) * 9.81 * t**2 + still, still, 30) == pytest.approx(9.81)
    assert acceleration_error(still + 3 * t, still, 30) == pytest.approx(0, abs=1e-9)
    assert jitter(still + t**3 * (0, 2.0, 0), 30) == pytest.approx(12)
    assert jitter(still + t**2, 30) == pytest.approx(0, abs=1e-6)


def test_wrong_shapes_and_short_motions_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        mpjpe(np.zeros((3, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"\(2, 4, 3\)"):
        pa_mpjpe(np.zeros((2, 4, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="2 frames"):
        acceleration_error(np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), 30)
    with pytest.raises(ValueError, match="fps"):
        acceleration_error(np.zeros((3, 4, 3)), np.zeros((3, 4, 3)), 0)
