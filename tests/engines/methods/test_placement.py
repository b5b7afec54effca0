"""The closed-form translation: exact on exact points, robust to strangers, never absurd."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.methods.placement import place_body

RNG = np.random.default_rng(5)
CLOUD = RNG.normal(0, (0.25, 0.5, 0.15), (41, 3)).astype(np.float32)


def seen(place: np.ndarray) -> np.ndarray:
    moved = CLOUD + place
    return moved[:, :2] / moved[:, 2:]


@settings(max_examples=40, deadline=None)
@given(x=st.floats(-1, 1), y=st.floats(-1, 1), z=st.floats(1.0, 20.0), wrong=st.floats(0.7, 1.4))
def test_exact_points_give_the_exact_place(x, y, z, wrong):
    true = np.array((x, y, z), np.float32)
    found = place_body(CLOUD[None], seen(true)[None], np.ones((1, 41)), true[None] * wrong, trust=1e-6)
    np.testing.assert_allclose(found[0], true, rtol=2e-3, atol=2e-3)


def test_strangers_are_voted_down():
    true = np.array((0.2, 0.1, 3.0), np.float32)
    image = seen(true)
    image[:4] += 0.3
    found = place_body(CLOUD[None], image[None], np.ones((1, 41)), true[None] * 1.1)
    plain = place_body(CLOUD[None], image[None], np.ones((1, 41)), true[None] * 1.1, rounds=1)
    assert np.linalg.norm(found - true) < 0.1
    assert np.linalg.norm(found - true) < np.linalg.norm(plain - true)


def test_depth_comes_from_the_guess_where_one_point_is_seen():
    weights = np.zeros((1, 41))
    weights[0, 7] = 1
    guess = np.array([[0.0, 0.0, 4.0]], np.float32)
    found = place_body(CLOUD[None], seen(np.array((0.5, 0.0, 4.0)))[None], weights, guess)
    assert abs(found[0, 2] - 4) < 0.05
    assert abs(found[0, 0] - 0.5) < 0.02


def test_no_points_or_broken_points_return_the_guess():
    guess = np.array([[0.1, -0.2, 2.0]], np.float32)
    image = np.full((1, 41, 2), np.nan)
    np.testing.assert_allclose(place_body(CLOUD[None], image, np.ones((1, 41)), guess), guess, atol=1e-6)
    np.testing.assert_allclose(
        place_body(CLOUD[None], seen(guess[0])[None], np.zeros((1, 41)), guess), guess, atol=1e-6
    )
