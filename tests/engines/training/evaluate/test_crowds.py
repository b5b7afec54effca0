"""What counts as a swapped limb, on two people whose answers are written down."""

import cv2
import numpy as np

from engines.keypoints import COCO_NAMES
from engines.training.evaluate.crowds import (
    HIDDEN,
    LIMBS,
    Crowd,
    count_swaps,
    measure_swaps,
    pasted_crowds,
    requests_of,
)
from engines.training.factory.shards import CROP_PX, PARTS_PX

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


class OneColourPeople:
    """A shard of people who are upright bars, each of one colour on black, with their points along the bar."""

    def __init__(self) -> None:
        self.points = np.zeros((6, 41, 3), np.float32)
        self.points[..., 0], self.points[..., 1], self.points[..., 2] = (
            CROP_PX / 2,
            np.linspace(0.14, 0.85, 41) * CROP_PX,
            1,
        )

    def __len__(self) -> int:
        return len(self.points)

    def at(self, index):
        return self, index

    def parts(self, row):
        mask = np.zeros((PARTS_PX, PARTS_PX), np.uint8)
        top, bottom, left, right = np.multiply((0.11, 0.87, 0.41, 0.59), PARTS_PX).astype(int)
        mask[top:bottom, left:right] = 3
        return mask

    def image(self, row):
        return np.full((CROP_PX, CROP_PX, 3), 40 * (row + 1), np.uint8)


def test_pasted_people_are_where_their_points_say_and_the_hidden_ones_are_hidden():
    black = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].ravel()
    shown, hidden = 0, 0
    for one in pasted_crowds(OneColourPeople(), [black], 12, seed=3):  # type: ignore[arg-type]
        assert 2 <= len(one.points) <= 4
        at = np.floor(one.points[..., :2]).astype(int)
        colours = one.image[at[..., 1], at[..., 0], 0].astype(int)
        visible = one.points[..., 2] == 1
        own = np.array([np.median(c[v]) if v.any() else -1 for c, v in zip(colours, visible, strict=True)])
        assert (np.abs(colours - own[:, None])[visible] < 25).mean() > 0.97
        assert visible.all() or (np.abs(colours - own[:, None])[~visible] > 15).mean() > 0.9
        shown, hidden = shown + visible.sum(), hidden + (~visible).sum()
        low, high = one.squares[:, :2] - one.squares[:, 2:] / 2, one.squares[:, :2] + one.squares[:, 2:] / 2
        assert (low.max(0) < high.min(0)).any(), "their crops overlap"
    assert shown > 100 and hidden > 20
