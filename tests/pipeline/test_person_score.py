"""One score from two networks, and what the tracker makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.person_score import UNSEEN, least_estimate, person_score
from pipeline.tracker import Tracker
from tests.pipeline.street import FPS, Street, Walker

SCORES = st.floats(0, 1)


@given(SCORES, SCORES, SCORES)
def test_it_grows_with_both_and_lies_between_them(estimate, locator, more):
    score = person_score(estimate, locator)
    assert min(estimate, max(locator, UNSEEN)) - 1e-9 <= score <= max(estimate, locator, UNSEEN) + 1e-9
    assert person_score(max(estimate, more), locator) >= score
    assert person_score(estimate, max(locator, more)) >= score


@given(st.floats(0.05, 1), SCORES)
def test_below_the_least_score_of_an_estimate_no_limit_is_reached(limit, locator):
    least = least_estimate(limit, locator)
    assert person_score(least * (1 - 1e-9), locator) < limit
    assert person_score(least * (1 + 1e-6), locator) > limit


def followed_for(estimate: float, locator: float, later: float, seconds: float = 2.0) -> float:
    """Seconds in which somebody is published whom the locator gives one score at first and another from then on, the
    trunk always the same; 0 means that it does not see them."""
    street, tracker = Street([Walker("a", lambda t: (300, 180))]), Tracker()
    published = 0
    for index in range(round(seconds * FPS)):
        frame = street.frame(index)
        tracker.advance(frame)
        if tracker.needs_detection():
            boxes = street.detect(frame.pts_s)
            boxes[:, 4] = later if published else locator
            tracker.merge_detections(boxes[boxes[:, 4] > 0])
        for target in tracker.targets():
            points, _ = street.look(target.box, frame.pts_s)
            tracker.update(target.track_id, points, estimate)
        published += len(tracker.finish())
    return published / FPS


@pytest.mark.parametrize(("estimate", "locator"), [(0.9, 0.25), (0.65, 0.6)])
def test_either_network_may_be_unsure_of_somebody_new(estimate, locator):
    assert followed_for(estimate, locator, locator) == 2


@pytest.mark.parametrize(("estimate", "locator"), [(0.57, 0.3), (0.7, 0.16), (0.4, 0.9)])
def test_nobody_is_where_both_are_unsure_or_the_trunk_sees_nobody(estimate, locator):
    assert followed_for(estimate, locator, locator) == 0


def test_a_person_whom_the_locator_no_longer_sees_is_followed_on():
    assert followed_for(0.9, 0.5, 0.0) == 2


def test_a_doubtful_body_goes_when_the_locator_no_longer_sees_it():
    assert 0 < followed_for(0.62, 0.6, 0.0) < 1
