"""Error bounds of what the wire rounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from pipeline.wire import WireError, quantise
from pipeline.wire.rotations import matrices, quaternions


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle in radians between rotations given as (w, x, y, z); exact for tiny ones."""
    a, b = (Rotation.from_quat(np.asarray(q, np.float64), scalar_first=True) for q in (a, b))
    return (a.inv() * b).magnitude()


@given(arrays(np.float64, (24, 3), elements=st.floats(-6.5, 6.5)))
def test_rotations_keep_their_documented_error(rotvec):
    q = quaternions(rotvec)
    assert angle(q, quantise.unpack_quaternions(quantise.pack_quaternions(q))).max() <= quantise.MAX_ANGLE_ERROR_RAD


def test_rotations_near_where_the_largest_component_changes():
    rng = np.random.default_rng(0)
    corners = np.array(np.meshgrid([-1, 0, 1], [-1, 0, 1], [-1, 0, 1], [-1, 0, 1])).reshape(4, -1).T
    q = (corners[np.any(corners, axis=1)][:, None] + rng.normal(0, 1e-5, (80, 500, 4))).reshape(-1, 4)
    q /= np.linalg.norm(q, axis=-1, keepdims=True)
    error = angle(q, quantise.unpack_quaternions(quantise.pack_quaternions(q)))
    assert error.max() <= quantise.MAX_ANGLE_ERROR_RAD


@pytest.mark.parametrize(
    ("wxyz", "words"),
    [
        ((1, 0, 0, 0), (16383, 16383, 16383)),
        ((0, 1, 0, 0), (16383 | 0x8000, 16383, 16383)),
        ((0, 0, -1, 0), (16383, 16383 | 0x8000, 16383)),
        ((0, 0, 0, 1), (16383 | 0x8000, 16383 | 0x8000, 16383)),
        ((0.5**0.5, 0.5**0.5, 0, 0), (32766, 16383, 16383)),
    ],
)
def test_words_of_quarter_turns(wxyz, words):
    assert tuple(quantise.pack_quaternions(np.array(wxyz, np.float64))) == words


def test_words_that_are_no_quaternion_are_refused():
    with pytest.raises(WireError):
        quantise.unpack_quaternions(np.full((24, 3), 0x7FFF, np.uint16))


@given(arrays(np.float64, (5, 3), elements=st.floats(-6.5, 6.5)))
def test_quaternions_agree_with_rodrigues(rotvec):
    np.testing.assert_allclose(matrices(quaternions(rotvec)), rotation_matrices(rotvec), atol=1e-6)


@given(
    st.floats(-30, 30),
    arrays(np.float32, 3, elements=st.floats(0.0078125, 3.5, width=32)),
    st.integers(0, 2**32 - 1),
)
def test_a_mesh_is_at_most_a_tenth_of_a_millimetre_off(place, extent, seed):
    vertices = (np.random.default_rng(seed).uniform(-0.5, 0.5, (200, 3)) * extent + place).astype(np.float32)
    got = quantise.unpack_vertices(*quantise.pack_vertices(vertices))
    assert np.linalg.norm(got.astype(np.float64) - vertices, axis=1).max() <= 1e-4


def test_the_shipped_body_is_at_most_a_tenth_of_a_millimetre_off():
    body = load_body()
    rng = np.random.default_rng(3)
    pose, betas = rng.normal(0, 0.5, (20, 24, 3)), rng.normal(0, 2, (20, 10))
    for vertices in body.forward(pose, betas, rng.uniform(-5, 15, (20, 3)), level=0).vertices:
        got = quantise.unpack_vertices(*quantise.pack_vertices(vertices))
        assert np.linalg.norm(got.astype(np.float64) - vertices, axis=1).max() <= 1e-4


def test_a_flat_mesh_survives():
    vertices = np.array([[1, 2, 3], [1, 2, 3]], np.float32)
    np.testing.assert_allclose(quantise.unpack_vertices(*quantise.pack_vertices(vertices)), vertices, atol=1e-6)


@given(arrays(np.float64, 10, elements=st.floats(-15.9, 15.9)))
def test_betas_are_exact_to_a_4096th(betas):
    got = quantise.unpack_betas(quantise.pack_betas(betas))
    np.testing.assert_allclose(got, betas, rtol=0, atol=1 / 4096 + 1e-6)


def test_betas_beyond_the_range_are_clipped_not_wrapped():
    got = quantise.unpack_betas(quantise.pack_betas(np.array([40.0, -40.0])))
    np.testing.assert_allclose(got, [15.9995, -15.9995], atol=1e-4)


@given(st.floats(0, 1))
def test_fractions_are_exact_to_a_508th(value):
    assert abs(quantise.unpack_fraction(quantise.pack_fraction(value)) - value) <= 1 / 508 + 1e-9
