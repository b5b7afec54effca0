"""Boxes from keypoints, and how far an estimated body may widen them."""

import numpy as np
import pytest

from pipeline.person_box import CONFIDENT, CROP_SCALE, crop_square, enclosing_box, person_box


def test_only_confident_points_make_the_box_and_it_is_padded():
    points = np.array(
        [[100, 100, 1], [200, 100, 1], [100, 300, 1], [200, 300, 1], [900, 900, CONFIDENT / 2]], np.float32
    )
    low_x, low_y, high_x, high_y = person_box(points)
    assert 80 < low_x < 100 and 80 < low_y < 100 and 200 < high_x < 220 and 300 < high_y < 320


def test_too_few_points_make_no_box():
    assert person_box(np.array([[1, 1, 1], [5, 5, 1], [9, 1, 1]], np.float32)) is None


def test_an_estimate_widens_the_box_inside_the_picture_only():
    box = np.array([100, 100, 200, 300], np.float32)
    legs = np.array([[150, 380], [150, 900]], np.float32)
    assert enclosing_box(box, legs, 640, 390) == pytest.approx([100, 100, 200, 390])


def test_an_estimate_far_off_does_not_take_the_crop_with_it():
    box = np.array([100, 100, 200, 300], np.float32)
    grown = enclosing_box(box, np.array([[5000, 5000], [-900, 10]], np.float32), 6000, 6000)
    assert grown == pytest.approx([0, 10, 300, 400])
    assert enclosing_box(box, np.full((3, 2), np.nan), 640, 480) == pytest.approx(box)


def test_the_crop_is_a_square_around_the_box():
    center, side = crop_square(np.array([10, 20, 110, 60], np.float32))
    assert tuple(center) == (60, 40)
    assert side == pytest.approx(100 * CROP_SCALE)
