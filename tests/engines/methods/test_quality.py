"""The quality figure: in 0..1, best where everything agrees, and falling with every disagreement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.methods.quality import body_quality

RNG = np.random.default_rng(3)
JOINTS = RNG.uniform(0, 200, (1, 24, 2))
SURE = np.concatenate([JOINTS, np.ones((1, 24, 1))], -1)


def quality(iou=1.0, joints=JOINTS, points=SURE, side=200.0, expected_m=0.0) -> float:
    return float(body_quality(np.array([iou]), joints, points, np.array([side]), np.array([expected_m]))[0])


def test_full_agreement_is_one():
    assert quality() == pytest.approx(1)


@given(iou=st.floats(0, 1), off=st.floats(0, 500), confidence=st.floats(0, 1), expected_m=st.floats(0, 1))
def test_it_lies_between_zero_and_one_and_no_disagreement_raises_it(iou, off, confidence, expected_m):
    points = SURE * (1, 1, confidence)
    found = quality(iou, JOINTS + np.array([off, 0]), points, expected_m=expected_m)
    assert 0 <= found <= 1
    assert found <= quality(iou, JOINTS + np.array([off, 0]), points) + 1e-9
    assert found <= quality(iou, JOINTS, points, expected_m=expected_m) + 1e-9
    assert found <= quality(1.0, JOINTS + np.array([off, 0]), points, expected_m=expected_m) + 1e-9
    assert found <= quality(iou, JOINTS + np.array([off, 0]), SURE, expected_m=expected_m) + 1e-9


def test_it_does_not_depend_on_the_size_of_the_picture():
    moved = JOINTS + RNG.normal(0, 9, JOINTS.shape)
    assert quality(0.7, moved) == pytest.approx(quality(0.7, 3 * moved, SURE * (3, 3, 1), 600.0))


def test_one_lost_limb_costs_less_than_a_lost_body():
    limb, body = JOINTS.copy(), JOINTS + 60
    limb[0, [18, 20, 22]] += 60
    assert quality(1.0, body) < quality(1.0, limb) < 1


def test_unknown_outlines_give_unknown_quality():
    assert np.isnan(quality(float("nan")))
