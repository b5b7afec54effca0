"""What is expected of bodies of a kind: the shipped numbers know that some are harder than others."""

import numpy as np
import pytest

from engines.body.rotations import rotation_vectors
from engines.methods.expected_error import LEAST_M, MOST_M, ExpectedError, shipped_expectation, traits

STANDING = np.zeros((1, 24, 3), np.float32)
STANDING[0, 0, 0] = np.pi
"""Upright and towards the camera, whose y points down."""
SURE = np.full((1, 41), 0.9, np.float32)


def lying() -> np.ndarray:
    """(2, 24, 3): standing, turned in the picture by a right angle to either side."""
    pose = np.repeat(STANDING, 2, 0)
    for row, side in enumerate((1.0, -1.0)):
        pose[row, 0] = rotation_vectors(np.array([[0, side, 0], [side, 0, 0], [0, 0, -1]]))
    return pose


def test_doubtful_points_make_a_larger_error_expected():
    expected = shipped_expectation()
    assert expected(STANDING, 0.5 * SURE)[0] > 1.2 * expected(STANDING, SURE)[0]


def test_lying_bodies_are_harder_than_standing_ones():
    expected = shipped_expectation()
    assert expected(lying(), np.repeat(SURE, 2, 0)).mean() > 1.02 * expected(STANDING, SURE)[0]


def test_answers_stay_between_the_limits():
    rng = np.random.default_rng(0)
    wild = ExpectedError(weight=rng.normal(0, 10, 185).astype(np.float32), bias=0.0)
    found = wild(rng.normal(0, 2, (50, 24, 3)), rng.random((50, 41)))
    assert found.min() == pytest.approx(LEAST_M) and found.max() == pytest.approx(MOST_M)


def test_what_is_saved_is_loaded(tmp_path):
    own = ExpectedError(weight=np.linspace(-0.01, 0.01, 185, dtype=np.float32), bias=-2.0)
    own.save(tmp_path / "own.npz")
    assert ExpectedError.load(tmp_path / "own.npz")(STANDING, SURE) == pytest.approx(own(STANDING, SURE))


def test_traits_are_the_same_for_vectors_of_one_rotation():
    pose = np.random.default_rng(1).normal(0, 1, (3, 24, 3))
    length = np.linalg.norm(pose, axis=-1, keepdims=True)
    other = pose * (1 - 2 * np.pi / length)
    confidences = np.tile(SURE, (3, 1))
    assert traits(pose, confidences) == pytest.approx(traits(other, confidences), abs=1e-6)
