"""Ids through crossings, occlusions, comings and goings; the schedule of detections; what may never happen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tracker import Tracker
from pipeline.tracker_settings import TrackerSettings
from tests.pipeline.street import FIGURE, FPS, Street, Walker, straight

RED, BLUE, GREEN = (200, 40, 40), (40, 40, 200), (40, 200, 40)


def ids_of(log, name):
    return {track_id for people in log for track_id, who in people.items() if who == name}


@pytest.mark.parametrize("speed", [40, 100, 250])
@pytest.mark.parametrize("colour_b", [BLUE, RED], ids=["other clothes", "same clothes"])
@pytest.mark.parametrize("seed", range(3))
def test_ids_survive_a_crossing(speed, colour_b, seed):
    time = 400 / speed
    street = Street(
        [Walker("a", straight(120, speed), depth=2, colour=RED), Walker("b", straight(520, -speed), colour=colour_b)],
        rng=np.random.default_rng(seed),
    )
    log = street.run(Tracker(), time)
    assert ids_of(log, "a") == {1} or ids_of(log, "a") == {2}
    assert len(ids_of(log, "b")) == 1 and ids_of(log, "a") != ids_of(log, "b")
    assert {"a", "b"} == set(log[-1].values())
    assert {"a", "b"} == set(log[3].values())


def test_they_meet_and_turn_back_in_different_clothes():
    """Constant velocity says that they passed each other; their clothes say that they did not."""

    def there_and_back(x0, vx):
        return lambda t: (x0 + vx * min(t, 4.0 - t), 180.0)

    street = Street(
        [
            Walker("a", there_and_back(120, 95), depth=2, colour=RED),
            Walker("b", there_and_back(500, -95), colour=BLUE),
        ]
    )
    log = street.run(Tracker(), 4.0)
    assert len(ids_of(log, "a")) == len(ids_of(log, "b")) == 1


@pytest.mark.parametrize("gap_s", [0.2, 0.7, 1.2])
def test_an_id_survives_a_short_occlusion(gap_s):
    street = Street([Walker("a", straight(100, 80), present=lambda t: not 1 <= t < 1 + gap_s)])
    log = street.run(Tracker(), 3 + gap_s)
    assert ids_of(log, "a") == {1}
    assert not log[round((1 + gap_s / 2) * FPS)], "nobody is published while nobody is seen"
    missing = sum(not people for people in log)
    assert missing <= (gap_s + 0.15) * FPS, "found again within a tenth of a second or so"


def test_a_long_absence_gives_a_new_id():
    street = Street([Walker("a", straight(300, 0), present=lambda t: not 1 <= t < 3)])
    log = street.run(Tracker(), 4)
    assert ids_of(log, "a") == {1, 2}


def test_somebody_else_at_the_same_place_is_not_the_same_person():
    street = Street(
        [
            Walker("a", straight(300, 0), colour=RED, present=lambda t: t < 1),
            Walker("b", straight(310, 0), colour=BLUE, present=lambda t: t > 1.3),
        ]
    )
    log = street.run(Tracker(), 2)
    assert ids_of(log, "a").isdisjoint(ids_of(log, "b"))


def test_people_come_one_by_one_and_leave():
    street = Street(
        [Walker(f"p{i}", straight(80 + 150 * i, 0), present=lambda t, i=i: i <= t < 7 - i) for i in range(4)]
    )
    log = street.run(Tracker(), 7)
    for second in range(7):
        expected = {f"p{i}" for i in range(4) if i <= second < 7 - i}
        late = log[second * 30 + 25]
        assert set(late.values()) == expected
    assert all(len(ids_of(log, f"p{i}")) == 1 for i in range(4))


def test_the_locator_runs_on_schedule_only():
    street = Street([Walker("a", straight(100, 30))])
    street.run(Tracker(TrackerSettings(detect_every_s=0.5)), 5)
    assert street.locator_calls == 10
    empty = Street([])
    empty.run(Tracker(TrackerSettings(relocate_every_s=0.1)), 5)
    assert empty.locator_calls == 50


def test_a_loss_calls_the_locator_on_the_next_frame():
    street, tracker = Street([Walker("a", straight(300, 0), present=lambda t: t < 0.1)]), Tracker()
    street.run(tracker, 0.1)
    assert street.step(tracker, 3) == ()
    tracker.advance(street.frame(4))
    assert tracker.needs_detection()


def test_a_person_detected_twice_is_published_once():
    street, tracker = Street([Walker("a", straight(300, 0))]), Tracker()
    box = street.walkers[0].box(0)
    half = np.append(box[:3], box[3] - 0.45 * (box[3] - box[1]))
    for index in range(30):
        frame = street.frame(index)
        tracker.advance(frame)
        if tracker.needs_detection():
            tracker.merge_detections(np.array([[*box, 0.9], [*(box + 4), 0.8], [*half, 0.7]]))
        for target in tracker.targets():
            tracker.update(target.track_id, *street.look(target.box, frame.pts_s))
        assert [state.track_id for state in tracker.finish()] == [1]


def test_a_false_detection_is_never_published():
    street, tracker = Street([]), Tracker()
    tracker.advance(street.frame(0))
    tracker.merge_detections(np.array([[100, 100, 160, 250, 0.9]]))
    (target,) = tracker.targets()
    tracker.update(target.track_id, *street.look(target.box, 0.0))
    assert tracker.finish() == () and tracker.targets() == ()


def test_the_largest_are_kept():
    walkers = [Walker(str(i), straight(60 + 100 * i, 0), height=90 + 12 * i) for i in range(6)]
    street, tracker = Street(walkers), Tracker(TrackerSettings(max_people=3))
    log = street.run(tracker, 2)
    assert all(sorted(people.values()) == ["3", "4", "5"] for people in log)
    assert set().union(*log) == {1, 2, 3}, "those left out use up no ids"


def test_more_of_them_in_a_picture_that_stands_alone():
    walkers = [Walker(str(i), straight(60 + 100 * i, 0), height=90 + 12 * i) for i in range(6)]
    street, tracker = Street(walkers), Tracker(TrackerSettings(max_people=3, still_max_people=5))
    assert len(street.step(tracker, 0, unrelated=True)) == 5


def test_unrelated_pictures_share_nothing():
    street, tracker = Street([Walker("a", straight(300, 0))]), Tracker()
    ids = [street.step(tracker, index, unrelated=True)[0].track_id for index in range(4)]
    assert ids == [1, 2, 3, 4] and street.locator_calls == 4


def test_time_that_runs_backwards_starts_afresh():
    street, tracker = Street([Walker("a", straight(300, 0))]), Tracker()
    street.step(tracker, 30)
    assert [s.track_id for s in street.step(tracker, 0)] == [2]


def test_the_published_box_is_the_persons():
    street = Street([Walker("a", straight(200, 60))])
    tracker = Tracker()
    for index in range(45):
        (state,) = street.step(tracker, index)
    # Under a fiftieth of the height: the noise of the extreme points, smoothed.
    np.testing.assert_allclose(state.box, street.walkers[0].box(44 / FPS), atol=5)


def test_wrong_calls_are_refused():
    street, tracker = Street([]), Tracker()
    with pytest.raises(RuntimeError, match="advance"):
        tracker.merge_detections(np.zeros((0, 5)))
    tracker.advance(street.frame(0))
    with pytest.raises(ValueError, match="track 7 is no target"):
        tracker.update(7, np.zeros((41, 3)), 1.0)
    tracker.merge_detections(np.array([[100, 100, 160, 250, 0.9]]))
    with pytest.raises(ValueError, match=r"shape \(41, 2\)"):
        tracker.update(1, np.zeros((41, 2)), 1.0)


@pytest.mark.parametrize(
    "wrong", [{"max_people": 0}, {"max_age_s": -1.0}, {"detect_every_s": float("nan")}, {"min_score": 1.5}]
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrackerSettings(**wrong)


boxes = st.lists(
    st.tuples(
        st.floats(-200, 800, width=32), st.floats(-200, 500, width=32), st.floats(-5, 400, width=32),
        st.floats(-5, 400, width=32), st.sampled_from([0.0, 0.29, 0.31, 0.9, float("nan")]),
    ),
    max_size=6,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    frames=st.lists(st.tuples(boxes, st.sampled_from([-1, 0, 1, 1, 1, 5, 60]), st.booleans()), max_size=12),
    max_people=st.integers(1, 4),
)
def test_whatever_happens_ids_are_new_and_people_are_few(data, frames, max_people):
    tracker = Tracker(TrackerSettings(max_people=max_people, still_max_people=max_people))
    street, index = Street([]), 100
    ended: set[int] = set()
    previous: set[int] = set()
    highest = 0
    for detections, step, unrelated in frames:
        index += step
        tracker.advance(street.frame(index, unrelated=unrelated))
        tracker.merge_detections(np.array([[x, y, x + w, y + h, s] for x, y, w, h, s in detections]).reshape(-1, 5))
        targets = tracker.targets()
        assert len(targets) <= max_people
        for target in targets:
            if data.draw(st.booleans()):
                centre = (target.box[:2] + target.box[2:]) / 2
                points = np.column_stack([centre + 100 * FIGURE, np.full(41, data.draw(st.floats(0, 1)))])
                tracker.update(target.track_id, points, data.draw(st.floats(0, 1)))
        states = tracker.finish()
        now = {state.track_id for state in states}
        assert len(now) == len(states) <= max_people
        assert all(state.track_id > 0 and np.isfinite(state.box).all() for state in states)
        fresh = now - previous - ended
        assert all(track_id > highest for track_id in fresh), "a new person has an id above all before"
        assert not (unrelated and now & (previous | ended)), "an unrelated picture shares no id"
        highest = max([highest, *now])
        ended |= previous - now
        previous = now


def asked(tracker, street, index, boxes):
    """Steps the tracker with these detections (if it wants any) and says which were looked at; nobody is there."""
    frame = street.frame(index)
    tracker.advance(frame)
    if tracker.needs_detection():
        tracker.merge_detections(np.array(boxes, np.float32))
    targets = tracker.targets()
    for target in targets:
        tracker.update(target.track_id, *street.look(target.box, frame.pts_s))
    tracker.finish()
    return [tuple(np.round(target.box).astype(int)) for target in targets]


def test_a_standing_false_candidate_is_asked_ever_less_often():
    street, tracker = Street([]), Tracker()
    coat = [100, 100, 160, 250, 0.4]
    times = [index / FPS for index in range(300) if asked(tracker, street, index, [coat])]
    assert times[0] == 0 and 5 <= len(times) <= 8, times
    gaps = np.diff(times)
    assert (gaps[1:] >= gaps[:-1] - 1e-6).all() and gaps.max() == pytest.approx(2.4, abs=0.15)


def test_a_half_recognised_candidate_is_asked_after_pauses_that_do_not_grow():
    street, tracker = Street([]), Tracker()
    box, times = np.array([[100, 100, 160, 250, 0.4]]), []
    for index in range(round(3 * FPS)):
        frame = street.frame(index)
        tracker.advance(frame)
        if tracker.needs_detection():
            tracker.merge_detections(box)
        for target in tracker.targets():
            times.append(frame.pts_s)
            points, _ = street.look(target.box, frame.pts_s)
            assert 0.5 < target.least_score < 0.8
            tracker.update(target.track_id, points, 0.5)
        assert tracker.finish() == ()
    assert np.diff(times) == pytest.approx(0.3, abs=0.15) and len(times) >= 6


def test_a_refused_place_is_looked_at_again_when_the_locator_is_surer():
    street, tracker = Street([]), Tracker()
    assert asked(tracker, street, 0, [[100, 100, 160, 250, 0.4]])
    assert not asked(tracker, street, 3, [[100, 100, 160, 250, 0.45]])
    assert asked(tracker, street, 6, [[100, 100, 160, 250, 0.55]])


def test_doubtful_candidates_take_turns():
    street, tracker = Street([]), Tracker(TrackerSettings(max_doubtful=2))
    boxes = [[10 + 100 * i, 100, 70 + 100 * i, 250, 0.4 - 0.02 * i] for i in range(5)]
    seen = [box[0] for index in range(0, 9, 3) for box in asked(tracker, street, index, boxes)]
    assert seen == [10, 110, 210, 310, 410]
    again = [box[0] for index in range(9, 18, 3) for box in asked(tracker, street, index, boxes)]
    assert again[:4] == [10, 110, 210, 310], "after a pause they are asked once more"


def test_who_is_not_where_they_seemed_to_be_again_does_not_call_the_locator_every_frame():
    """A false candidate beside the place where somebody was lost is tried for them once per detection."""
    street, tracker = Street([Walker("a", straight(300, 0), present=lambda t: t < 0.1)]), Tracker()
    street.run(tracker, 0.1)
    box = [*street.walkers[0].box(0), 0.5]
    tried = [bool(asked(tracker, street, index, [box])) for index in range(4, 30)]
    assert sum(tried) <= 18
    assert sum(tried[12:]) <= 5
