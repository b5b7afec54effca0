"""The crop's off-centre camera shows what a crop of the full picture shows; points are hidden where they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.camera import Intrinsics
from engines.keypoints import POINT_NAMES
from engines.training.factory.cropview import DEPTH_TOLERANCE_M, CropView, label_points, view_around
from engines.training.factory.shards import CROP_PX

SOURCE = Intrinsics(fx=900, fy=910, cx=640, cy=360)
SIZE = (1280, 720)


@settings(max_examples=50, deadline=None)
@given(st.floats(-200, 1500), st.floats(-200, 900), st.floats(20, 3000), st.integers(0, 10**6))
def test_crop_camera_is_crop_of_source_picture(x, y, side, seed):
    view = CropView(source=SOURCE, source_size=SIZE, centre=(x, y), side=side)
    points = np.random.default_rng(seed).uniform((-3, -2, 0.5), (3, 2, 9), (20, 3))
    in_crop = (SOURCE.project(points) - (x - side / 2, y - side / 2)) * CROP_PX / side
    np.testing.assert_allclose(view.intrinsics.project(points), in_crop, rtol=1e-9, atol=1e-6 * CROP_PX / side)
    # The picture's corners, in the crop, carry back to its size.
    x0, y0, x1, y1 = view.in_source()
    np.testing.assert_allclose([(x1 - x0) / view.scale, (y1 - y0) / view.scale], SIZE, rtol=1e-9)


def test_view_covers_only_points_inside_the_picture():
    points = np.array([[100.0, 100], [300, 200], [200, 500], [-400, 300], [1e6, 0]])
    view = view_around(points, SOURCE, SIZE)
    assert view.centre == (200, 300)
    assert view.side == pytest.approx(400 * 1.25 * 1.25)
    with pytest.raises(ValueError, match="none of 2 points"):
        view_around(points[3:], SOURCE, SIZE)


def test_shaken_view_still_holds_the_network_crop():
    points = np.array([[100.0, 100], [300, 200], [200, 500]])
    for seed in range(200):
        view = view_around(points, SOURCE, SIZE, np.random.default_rng(seed))
        low, high = np.array(view.centre) - view.side / 2, np.array(view.centre) + view.side / 2
        assert (low < points.min(axis=0)).all()
        assert (points.max(axis=0) < high).all()


def test_visibility_follows_depth_and_picture():
    view = CropView(source=SOURCE, source_size=SIZE, centre=(640, 360), side=448)
    points = np.tile([0.0, 0.0, 3.0], (len(POINT_NAMES), 1))
    points[1] = (-5, 0, 3)  # left of the picture
    points[2] = (0, 0, -3)  # behind the camera
    empty = np.zeros((448, 448), np.float32)
    labels = label_points(points, view, empty)
    np.testing.assert_allclose(labels[0], (CROP_PX / 2, CROP_PX / 2, 1))
    assert labels[1, 2] == labels[2, 2] == 0
    assert (labels[3:, 2] == 1).all()

    wall = np.full((448, 448), 3 - 1.1 * DEPTH_TOLERANCE_M.max(), np.float32)
    assert (label_points(points, view, wall)[3:, 2] == 0.5).all()
    skin = np.full((448, 448), 3 - 0.9 * DEPTH_TOLERANCE_M.min(), np.float32)
    assert (label_points(points, view, skin)[3:, 2] == 1).all()
    # Only the pixel under the point counts.
    beside = np.zeros((448, 448), np.float32)
    beside[:, :200] = 1
    assert (label_points(points, view, beside)[3:, 2] == 1).all()


def test_half_hidden_by_picture_border():
    """The crop may reach beyond the picture: a point in the crop but outside the picture does not exist."""
    view = CropView(source=SOURCE, source_size=SIZE, centre=(0, 360), side=400)
    points = np.tile([(-10 - 640) / 900 * 2, 0.0, 2.0], (len(POINT_NAMES), 1))  # 10 px left of the border
    labels = label_points(points, view, np.zeros((448, 448), np.float32))
    assert (labels[:, 0] > 0).all()
    assert (labels[:, 0] < CROP_PX / 2).all()
    assert (labels[:, 2] == 0).all()
