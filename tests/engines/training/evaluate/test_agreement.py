"""Counting on people whose places are known."""

import numpy as np
import pytest

from engines.training.evaluate.agreement import (
    LIMB_JOINTS,
    LIMB_POINTS,
    jitter_torsos,
    limb_errors,
    match_clip,
    match_people,
    share_within,
    torso_length,
)

TORSO = 100.0


def person(x: float = 0.0, confidence: float = 0.9) -> np.ndarray:
    """A standing figure whose torso is 100 px long."""
    points = np.zeros((17, 3))
    rows = {5: (40, 0), 6: (0, 0), 7: (60, 40), 8: (-20, 40), 9: (60, 80), 10: (-20, 80)}
    rows |= {11: (35, 100), 12: (5, 100), 13: (35, 160), 14: (5, 160), 15: (35, 220), 16: (5, 220)}
    for point, (px, py) in rows.items():
        points[point] = (px + x, py, confidence)
    return points


def test_limb_joints_are_the_same_limbs_as_the_points():
    assert len(LIMB_JOINTS) == len(LIMB_POINTS) == 12
    assert LIMB_JOINTS[0] == 16 and LIMB_JOINTS[6] == 1 and LIMB_JOINTS[11] == 8  # shoulder, hip, ankle in SMPL's order


def test_torso_length_uses_confident_points_only():
    figure = person()
    assert torso_length(figure) == pytest.approx(TORSO)
    figure[5] = (9999, 9999, 0.1)
    assert torso_length(figure) == pytest.approx(np.hypot(20, 100))
    figure[6, 2] = 0.1
    assert np.isnan(torso_length(figure))


def test_people_are_matched_to_the_nearest_body_once():
    teacher = [person(0), person(300)]
    assert sorted(match_people(teacher, [person(310), person(5)])) == [(0, 1), (1, 0)]
    assert match_people(teacher, [person(20)]) == [(0, 0)]
    assert match_people(teacher, [person(5000)]) == []


def test_a_clip_counts_frames_people_and_misses():
    teacher = {0: [person()], 1: [person(), person(400)], 2: [person()], 3: [], 4: [person(confidence=0.1)]}
    bodies = {0: [person(3)], 1: [person(-4)], 2: [], 3: [person()], 4: [person()]}
    matches = match_clip(teacher, bodies)
    assert [(pair.frame, pair.body) for pair in matches.pairs] == [(0, 0), (1, 0)]
    assert (matches.teacher_frames, matches.body_frames) == (4, 3)  # frame 4: seen, but without points to measure by
    assert matches.teacher_people == 4
    assert [frame for frame, _ in matches.missed] == [1, 2]


def test_errors_are_in_torso_lengths_and_unsure_points_do_not_count():
    figure = person()
    figure[9, 2] = 0.2
    pairs = match_clip({0: [figure]}, {0: [person(15)]}).pairs
    limbs = person(15)[LIMB_POINTS, :2]
    limbs[0, 0] += 10
    errors = limb_errors(pairs, [limbs])
    assert np.isnan(errors[0, 4]) and np.isfinite(errors).sum() == 11
    assert errors[0, 0] == pytest.approx(0.25) and errors[0, 1] == pytest.approx(0.15)
    assert share_within(errors) == pytest.approx(10 / 11)
    assert share_within(errors, also_missed=9) == pytest.approx(10 / 20)
    assert np.isnan(share_within(np.full((0, 12), np.nan)))


def test_jitter_is_zero_for_even_motion_and_known_for_a_jump():
    def jitter(xs, frames, tracks=None):
        people = {frame: [person(x)] for frame, x in zip(frames, xs, strict=True)}
        pairs = match_clip(people, people).pairs
        limbs = [pair.teacher[LIMB_POINTS, :2] for pair in pairs]
        return jitter_torsos(pairs, tracks or [1] * len(pairs), limbs)

    assert jitter([0, 10, 20, 30], range(4)) == pytest.approx(0)
    assert jitter([0, 10, 0], range(3)) == pytest.approx(20 / TORSO)
    assert np.isnan(jitter([0, 10, 0], (0, 1, 3)))
    assert np.isnan(jitter([0, 10, 0], range(3), [1, 2, 1]))
