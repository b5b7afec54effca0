"""Where a body that was seen whole lies in a later frame, and what the tracker makes of it."""

import numpy as np
import pytest

from pipeline.track import Extent
from pipeline.tracker import Tracker
from tests.pipeline.street import FPS, Street, Walker, straight

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


def still_street(*walkers):
    """Without noise: boxes can be compared."""
    return Street(list(walkers), noise_px=0.0, jitter_box_px=0.0)


def reaching(walker, index, right_px):
    """A body of the walker in that frame, of which an arm lies so far right of the box around their points."""
    t = index / FPS
    x0, y0, x1, y1 = walker.box(t).tolist()
    return Extent(np.array([[x0 + 9, y0 + 9], [x1 + right_px, (y0 + y1) / 2], [x1 - 9, y1 - 9]]), walker.points(t))


def boxes_of(street, tracker, frames):
    return {index: state.box for index in frames for state in street.step(tracker, index)}


def test_a_body_known_later_widens_the_next_boxes_and_moves_along():
    walker = Walker("a", straight(200, 60))
    plain, widened = Tracker(), Tracker()
    before = [boxes_of(still_street(walker), tracker, range(5))[4] for tracker in (plain, widened)]
    np.testing.assert_array_equal(*before)
    street = still_street(walker)
    street.step(widened, 5)
    widened.remember_body(1, reaching(walker, 4, right_px=25))
    after = boxes_of(street, widened, range(6, 60))
    own = boxes_of(still_street(walker), plain, range(5, 60))
    wider = np.array([after[index] - own[index] for index in after])
    assert wider[:, [0, 1, 3]] == pytest.approx(0, abs=0.01), "an arm on the right is no reason to grow elsewhere"
    assert wider[0, 2] > 5 and wider[30:, 2] == pytest.approx(25, abs=1.5)


def test_only_what_is_in_the_picture_widens_a_box_and_only_of_who_it_is():
    left, right = Walker("left", straight(150, 0)), Walker("right", straight(560, 0))
    street, tracker = still_street(left, right), Tracker()
    who = {state.track_id: street.who(state, 0) for state in street.step(tracker, 0)}
    (of_right,) = (track_id for track_id, name in who.items() if name == "right")
    tracker.remember_body(of_right, reaching(right, 0, right_px=100))
    tracker.remember_body(99, reaching(left, 0, right_px=100))
    for index in range(1, 60):
        states = street.step(tracker, index)
    box = {who[state.track_id]: state.box for state in states}
    np.testing.assert_allclose(box["left"], left.box(0), atol=0.5)
    expected = right.box(0)
    expected[2] = 640
    np.testing.assert_allclose(box["right"], expected, atol=1)


def test_who_is_lost_loses_the_body_that_was_known_of_them():
    walker = Walker("a", straight(300, 0), present=lambda t: not 0.3 <= t < 0.8)
    plain, widened = Tracker(), Tracker()
    ends = []
    for tracker in (plain, widened):
        street = still_street(walker)
        before = boxes_of(street, tracker, range(4))
        if tracker is widened:
            tracker.remember_body(1, reaching(walker, 3, right_px=25))
        before |= boxes_of(street, tracker, range(4, 9))
        assert boxes_of(street, tracker, range(9, 24)) == {}
        after = boxes_of(street, tracker, range(24, 59))
        (state,) = street.step(tracker, 59)
        assert state.track_id == 1 and len(after) > 30, "found again"
        ends.append((before[8], state.box))
    (plain_before, plain_after), (widened_before, widened_after) = ends
    assert widened_before[2] > plain_before[2] + 15
    np.testing.assert_allclose(widened_after, plain_after, atol=0.5)


def test_a_body_that_comes_when_its_person_is_lost_is_of_no_use():
    walker = Walker("a", straight(300, 0), present=lambda t: not 0.3 <= t < 0.8)
    street, tracker = still_street(walker), Tracker()
    assert len(boxes_of(street, tracker, range(10))) == 9
    tracker.remember_body(1, reaching(walker, 8, right_px=25))
    boxes = boxes_of(street, tracker, range(10, 60))
    np.testing.assert_allclose(boxes[59], walker.box(0), atol=0.5)
