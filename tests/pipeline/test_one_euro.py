"""The filter against its authors' own (package OneEuroFilter 0.2.1, whose output is the CSV), and on rotations."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pipeline.one_euro import OneEuro, RotationState, VectorState

GOLDEN = Path(__file__).with_name("one_euro_golden.csv")
GOLDEN_FILTER = OneEuro(min_cutoff_hz=1.2, beta=0.3, derivative_cutoff_hz=0.9)


def test_the_authors_filter_on_uneven_time_steps():
    rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(GOLDEN.open())]
    state = VectorState.start(np.array([rows[0]["noisy"]]))
    for before, row in pairwise(rows):
        state = state.step(GOLDEN_FILTER, np.array([row["noisy"]]), row["t_s"] - before["t_s"])
        assert state.value[0] == pytest.approx(row["filtered"], rel=1e-9, abs=1e-12)


def test_rotations_about_one_axis_are_scalars():
    """About a fixed axis, SO(3) is a line, and the rotation filter must be the scalar one."""
    rng = np.random.default_rng(0)
    angles = np.cumsum(rng.normal(size=80) * 0.3)
    axis = np.array([1.0, 2.0, -2.0]) / 3
    filter_ = OneEuro(1.0, 0.7, 1.5)
    scalar, rotation = (
        VectorState.start(angles[:1]),
        RotationState.start(Rotation.from_rotvec(angles[0] * axis).as_matrix()),
    )
    for angle in angles[1:]:
        scalar = scalar.step(filter_, np.array([angle]), 0.04)
        rotation = rotation.step(filter_, Rotation.from_rotvec(angle * axis).as_matrix(), 0.04)
        expected = Rotation.from_rotvec(scalar.value[0] * axis).as_matrix()
        np.testing.assert_allclose(rotation.value, expected, atol=1e-9)


rotvecs = st.lists(st.floats(-4, 4), min_size=3, max_size=3).map(np.array)


@settings(max_examples=60, deadline=None)
@given(frame=rotvecs, sequence=st.lists(rotvecs, min_size=1, max_size=6))
def test_turning_the_world_turns_the_result(frame, sequence):
    """The filter knows no preferred frame: it commutes with rotations from the left."""
    world = Rotation.from_rotvec(frame).as_matrix()
    filter_ = OneEuro(1.0, 0.5)
    start = Rotation.from_rotvec([0.1, 0.2, 0.3]).as_matrix()
    plain, turned = RotationState.start(start), RotationState.start(world @ start)
    for rotvec in sequence:
        measured = Rotation.from_rotvec(rotvec).as_matrix()
        delta = Rotation.from_matrix(plain.value.T @ measured).magnitude()
        if delta > np.pi - 1e-3:
            return  # exactly half a turn away, both ways round are as good
        plain, turned = plain.step(filter_, measured, 0.03), turned.step(filter_, world @ measured, 0.03)
        np.testing.assert_allclose(turned.value, world @ plain.value, atol=1e-7)
        np.testing.assert_allclose(plain.value @ plain.value.T, np.eye(3), atol=1e-9)
        assert Rotation.from_matrix(plain.value.T @ measured).magnitude() <= delta + 1e-7, "it never overshoots"


def test_half_a_turn_is_nothing_special():
    """A steady measurement beside the cut of rotation vectors, which flips their sign, stays where it is."""
    rng = np.random.default_rng(1)
    state = None
    for _ in range(50):
        measured = Rotation.from_rotvec([np.pi + 0.02 * rng.normal(), 0.02 * rng.normal(), 0]).as_matrix()
        state = RotationState.start(measured) if state is None else state.step(OneEuro(1.0, 0.0), measured, 0.03)
    assert Rotation.from_matrix(state.value @ Rotation.from_rotvec([-np.pi, 0, 0]).as_matrix()).magnitude() < 0.03


def test_no_time_no_change():
    state = VectorState.start(np.zeros(3)).step(OneEuro(1.0, 1.0), np.ones(3), 0.1)
    again = state.step(OneEuro(1.0, 1.0), np.full(3, 9.0), 0.0)
    np.testing.assert_array_equal(again.value, state.value)
    np.testing.assert_array_equal(again.derivative, state.derivative)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 0), "min_cutoff_hz"),
        ((float("nan"), 0), "min_cutoff_hz"),
        ((1, -0.1), "beta"),
        ((1, float("inf")), "beta"),
        ((1, 0, 0), "derivative_cutoff_hz"),
        ((1, 0, float("inf")), "derivative_cutoff_hz"),
    ],
)
def test_nonsense_is_refused(arguments, name):
    with pytest.raises(ValueError, match=name):
        OneEuro(*arguments)
