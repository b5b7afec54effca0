"""What counts as a swapped limb, on two people whose answers are written down."""

import numpy as np

from engines.keypoints import COCO_NAMES
from engines.training.evaluate.crowds import HIDDEN, LIMBS, Crowd, count_swaps, measure_swaps, requests_of

WRIST, OTHER_WRIST, KNEE = (COCO_NAMES.index(name) for name in ("left_wrist", "right_wrist", "left_knee"))


def crowd() -> Crowd:
    """Two people 100 px high, 30 px apart, points 10 px apart from one another."""
    points = np.ones((2, 17, 3), np.float32)
    points[0, :, 0], points[1, :, 0] = 50, 80
    points[:, :, 1] = np.arange(17) * 12 + 5
    boxes = np.array([[40, 0, 60, 100], [70, 0, 90, 100]], np.float32)
    return Crowd(np.zeros((220, 150, 3), np.uint8), points, boxes, np.array([[50, 100, 125], [80, 100, 125.0]]))


def swaps(one: Crowd, found: np.ndarray) -> list[tuple[int, int]]:
    return [(int(p), LIMBS[k]) for p, k in np.argwhere(count_swaps(one, found)[2])]


def test_the_truth_swaps_nothing():
    one = crowd()
    known, visible, swapped, right = count_swaps(one, one.points)
    assert known.all() and visible.all() and right.all() and not swapped.any()


def test_a_limb_on_the_neighbours_same_limb_of_either_side_is_swapped():
    one = crowd()
    found = one.points.copy()
    found[0, WRIST, :2] = one.points[1, WRIST, :2] + (3, 0)
    found[1, OTHER_WRIST, :2] = one.points[0, WRIST, :2]
    found[0, KNEE, :2] = one.points[1, WRIST, :2]  # another limb: wrong, but no swap
    assert swaps(one, found) == [(0, WRIST), (1, OTHER_WRIST)]


def test_unknown_limbs_and_near_misses_do_not_count():
    one = crowd()
    found = one.points.copy()
    found[0, WRIST, :2] = one.points[1, WRIST, :2] + (7, 0)
    one.points[1, KNEE, 2] = 0
    found[0, KNEE, :2] = one.points[1, KNEE, :2]
    one.points[0, OTHER_WRIST, 2] = 0
    found[0, OTHER_WRIST, :2] = one.points[1, OTHER_WRIST, :2]
    assert swaps(one, found) == []


def test_neighbours_whose_limbs_meet_are_right_not_swapped():
    one = crowd()
    one.points[1, WRIST, :2] = one.points[0, WRIST, :2] + (4, 0)
    found = one.points.copy()
    found[0, WRIST, 0] += 2
    assert swaps(one, found) == []


def test_shares_are_over_the_known_points():
    one = crowd()
    one.points[0, WRIST, 2] = HIDDEN
    one.points[1, KNEE, 2] = 0
    found = one.points.copy()
    found[0, WRIST, :2] = one.points[1, WRIST, :2]
    total = measure_swaps([one], lambda requests: found)
    assert total.points == 23 and total.swapped == 1 / 23 and total.right == 22 / 23
    assert total.swapped_hidden == 1 and total.swapped_visible == 0
    assert len(requests_of(one)) == 2
