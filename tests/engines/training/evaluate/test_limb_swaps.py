"""Runs of exchanged limbs, on tracks whose swaps are known."""

import numpy as np
import pytest

from engines.training.evaluate.agreement import LIMB_POINTS, match_clip
from engines.training.evaluate.limb_swaps import LIMB_PAIRS, longest_swap, swapped_pairs
from tests.engines.training.evaluate.test_agreement import person

KNEES = LIMB_PAIRS[2]


def track(states: str, tracks=None, frames=None, unsure=(), narrow=()) -> int:
    """Longest run of a person whose knees are right (.), swapped (x) or both on one place (o), frame by frame."""
    frames = list(frames or range(len(states)))
    people = {frame: [person()] for frame in frames}
    for index in unsure:
        people[frames[index]][0][13, 2] = 0.1
    for index in narrow:
        people[frames[index]][0][13, :2] = people[frames[index]][0][14, :2] + (10, 0)
    pairs = match_clip(people, people).pairs
    limbs = [pair.teacher[LIMB_POINTS, :2].copy() for pair in pairs]
    for points, state in zip(limbs, states, strict=True):
        left, right = points[list(KNEES)]
        points[list(KNEES)] = {".": (left, right), "x": (right, left), "o": (left, left)}[state]
    return longest_swap(pairs, tracks or [1] * len(pairs), limbs)


def test_pairs_are_left_and_right_of_elbows_wrists_knees_and_ankles():
    assert [tuple(LIMB_POINTS[i] for i in pair) for pair in LIMB_PAIRS] == [(7, 8), (9, 10), (13, 14), (15, 16)]


@pytest.mark.parametrize(
    ("states", "longest"), [("....", 0), ("x", 1), (".xx.xxx.", 3), ("xxoxx", 2), ("oooo", 0), ("xxxx", 4)]
)
def test_the_longest_run_counts(states, longest):
    assert track(states) == longest


def test_frames_that_cannot_tell_neither_count_nor_end_a_run():
    assert track("xx.xx", unsure=[2]) == 4
    assert track("xx.xx", narrow=[2]) == 4
    assert track("xxxxx", unsure=range(5)) == 0


def test_another_track_or_a_gap_begins_a_new_run():
    assert track("xxxx", tracks=[1, 1, 2, 2]) == 2
    assert track("xxxx", frames=[0, 1, 3, 4]) == 2


def test_pairs_do_not_add_up():
    """Knees in two frames, ankles in the next two."""
    pairs = match_clip({f: [person()] for f in range(4)}, {f: [person()] for f in range(4)}).pairs
    limbs = [pair.teacher[LIMB_POINTS, :2].copy() for pair in pairs]
    for frame, points in enumerate(limbs):
        sides = list(LIMB_PAIRS[2 if frame < 2 else 3])
        points[sides] = points[sides[::-1]]
    assert longest_swap(pairs, [1] * 4, limbs) == 2
    np.testing.assert_array_equal(swapped_pairs(pairs[0], limbs[0]), [0, 0, 1, 0])


def test_a_limb_must_have_left_its_own_place():
    """Reach is a fifth of a torso: places a third apart, a point between them is within reach of both."""
    (pair,) = match_clip({0: [person()]}, {0: [person()]}).pairs
    pair.teacher[13, :2] = pair.teacher[14, :2] + (32, 0)
    limbs = pair.teacher[LIMB_POINTS, :2].copy()
    limbs[list(KNEES)] = limbs[list(KNEES)].mean(0)
    assert swapped_pairs(pair, limbs)[2] == 0
