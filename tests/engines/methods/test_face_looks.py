"""Where faces are looked at more closely, and what becomes of their points."""

import numpy as np
import pytest

from engines.camera import Intrinsics
from engines.methods import CropRequest
from engines.methods.face_looks import FACE, face_squares, with_faces

REQUEST = CropRequest(
    image=np.zeros((480, 640, 3), np.uint8),
    center_px=np.array([300.0, 240.0]),
    side_px=400.0,
    intrinsics=Intrinsics.from_fov(640, 480),
    person=("clip", 1),
    alone=True,
    scales=(1.2,),
)


def standing(mass: float = 0.5) -> np.ndarray:
    """(41, 3): a head 20 px wide on a body 300 px high."""
    points = np.zeros((41, 3), np.float32)
    points[:5, :2] = [[300, 100], [305, 95], [295, 95], [310, 98], [290, 98]]
    points[5:17, :2] = [
        [330, 140],
        [270, 140],
        [340, 190],
        [260, 190],
        [345, 240],
        [255, 240],
        [320, 250],
        [280, 250],
        [320, 320],
        [280, 320],
        [320, 395],
        [280, 395],
    ]
    points[..., 2] = mass
    return points


def test_squares_hold_the_head_and_are_smaller_than_the_first():
    points = standing()
    squares = face_squares(points, REQUEST)
    assert len(squares) == 2
    for square in squares:
        assert square.side_px < 0.7 * REQUEST.side_px
        inside = np.abs(points[FACE, :2] - square.center_px).max() < square.side_px / 2
        assert inside and square.person is None and not square.scales and square.image is REQUEST.image


@pytest.mark.parametrize("hidden", [slice(5), slice(17)])
def test_who_shows_no_face_is_not_looked_at(hidden):
    points = standing()
    points[hidden, 2] = 0.01
    assert face_squares(points, REQUEST) == []


def test_faces_are_averaged_and_the_rest_stays():
    points, nearer = standing(), standing()
    nearer[:, 0] += 3
    better = with_faces(points, [nearer, nearer])
    np.testing.assert_allclose(better[FACE, 0], points[FACE, 0] + 3 * 4 / 5, atol=1e-3)
    np.testing.assert_array_equal(better[5:], points[5:])
    np.testing.assert_array_equal(better[:, 2], points[:, 2])


def test_looks_at_something_else_do_not_count():
    points, other, unsure = standing(), standing(), standing(0.0)
    other[:, 0] += 50
    unsure[:, 0] += 3
    np.testing.assert_allclose(with_faces(points, [other, unsure]), points, atol=1e-3)
