"""Backs are told from fronts by the labels of shoulders and hips alone."""

import numpy as np

from engines.keypoints import COCO_NAMES
from engines.training.photos.backs import shows_back

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def person(left_x: float, right_x: float, *, turned_deg: float = 0.0) -> np.ndarray:
    """(17, 3): shoulders at these x, hips half as far apart, 100 px below; the rest unknown."""
    points = np.zeros((17, 3))
    places = ((left_x, 0), (right_x, 0), (left_x / 2, 100), (right_x / 2, 100))
    turn = np.radians(turned_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for name, place in zip(TORSO, places, strict=True):
        points[COCO_NAMES.index(name)] = [*(rotation @ place), 1]
    return points


def test_backs_have_the_left_shoulder_on_the_left_however_they_are_turned():
    for turn in (0, 90, 180, 250):
        back, front, side = (person(left, right, turned_deg=turn) for left, right in ((-35, 35), (35, -35), (-10, 10)))
        assert shows_back(np.stack([back, front, side])).tolist() == [True, False, False]


def test_nobody_without_all_of_the_torso_shows_the_back():
    people = np.stack([person(-35, 35)] * len(TORSO))
    for row, name in enumerate(TORSO):
        people[row, COCO_NAMES.index(name), 2] = 0
    assert not shows_back(people).any()
