"""Somebody walks over a floor that a tilted camera sees: the way is the true one, whatever the tilt."""

import numpy as np
import pytest

from engines.methods.walked import FASTEST_M_S, Place, walked_away


def walk(tilt: float, depths_m: np.ndarray, step_s: float = 0.1, wrong_m: float = 0.0) -> float:
    """Metres found of a way straight away from a camera 1.5 m above the neck, tilted down by ``tilt``; ``wrong_m`` is
    added to every other depth."""
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    average, total = None, 0.0
    for index, depth in enumerate(depths_m):
        neck, trunk = turn @ (0.2, 1.5, depth), turn @ (0, -0.5, 0)
        seen = Place(sight=neck / neck[2], depth_m=neck[2] + wrong_m * (-1) ** index, trunk_m=trunk)
        metres, average = walked_away(average or seen, seen, step_s)
        total += metres
    return total


WAY = np.concatenate([np.linspace(3, 5, 20), np.full(80, 5.0)])


@pytest.mark.parametrize("tilt", [0.0, 0.3, 0.6])
def test_the_way_is_found_and_shorter_rather_than_longer(tilt):
    assert 1.0 < walk(tilt, WAY) < 2.2
    assert -2.2 < walk(tilt, WAY[::-1]) < -0.6


def test_depths_that_are_off_to_and_fro_are_no_way():
    assert abs(walk(0.3, np.full(100, 4.0), wrong_m=1.0)) < 0.3


def test_nobody_is_faster_than_people_are():
    assert walk(0.3, np.array([3.0, 3.0, 9.0])) <= FASTEST_M_S * 0.1
