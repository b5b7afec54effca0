"""Where a body that was seen whole lies in a later frame."""

import numpy as np
import pytest

from pipeline.track import Extent

JOINTS = np.array([[10.0, 20.0], [30.0, 90.0], [-5.0, 300.0]])
POINTS = np.array([[10.0, 20.0, 0.9], [30.0, 90.0, 0.8], [40.0, 50.0, 0.7], [0.0, 60.0, 0.6]])


def moved(points: np.ndarray, *shift: float) -> np.ndarray:
    return points + np.array([*shift, 0.0])


def test_a_body_moves_with_the_points_that_were_seen_of_it():
    extent = Extent(JOINTS, POINTS)
    assert extent.moved_to(POINTS) == pytest.approx(JOINTS)
    assert extent.moved_to(moved(POINTS, 7, -3)) == pytest.approx(JOINTS + np.array([7, -3]))


@pytest.mark.parametrize("then", [True, False])
def test_points_that_were_unsure_in_either_frame_do_not_move_it(then):
    before, after = POINTS.copy(), moved(POINTS, 7, -3)
    after[2, :2] = 999, -999
    (before if then else after)[2, 2] = 0
    assert Extent(JOINTS, before).moved_to(after) == pytest.approx(JOINTS + np.array([7, -3]))


def test_points_count_as_much_as_they_are_sure_in_the_worse_frame():
    before = np.array([[0.0, 0.0, 0.9], [0.0, 0.0, 0.2]])
    after = np.array([[10.0, 0.0, 0.6], [0.0, 50.0, 0.8]])
    assert Extent(JOINTS, before).moved_to(after) == pytest.approx(JOINTS + np.array([0.6 * 10 / 0.8, 0.2 * 50 / 0.8]))


def test_where_no_point_is_sure_it_stays():
    unseen = POINTS * [1, 1, 0]
    assert Extent(JOINTS, POINTS).moved_to(moved(unseen, 100, 100)) == pytest.approx(JOINTS)
    assert Extent(JOINTS, unseen).moved_to(moved(POINTS, 100, 100)) == pytest.approx(JOINTS)
