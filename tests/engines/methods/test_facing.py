"""Somebody of whom the heatmaps cannot tell left from right is read as one who walks forwards; nobody else changes."""

from dataclasses import replace

import numpy as np
import pytest

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_POINTS, POINT_MIRROR, POINT_NAMES
from engines.methods.evidence import CropRequest
from engines.methods.facing import STALE_S, Facing
from kernels.decode_heatmaps import decode_heatmaps

CELLS = 48
LEFT_KNEE, RIGHT_KNEE = POINT_NAMES.index("left_knee"), POINT_NAMES.index("right_knee")
REQUEST = CropRequest(
    image=np.zeros((2, 2, 3), np.uint8),
    center_px=np.array([320.0, 240.0]),
    side_px=200.0,
    intrinsics=Intrinsics.from_fov(640, 480),
    person="she",
)


def bump(x: float, y: float) -> np.ndarray:
    at_y, at_x = (np.mgrid[:CELLS, :CELLS] + 0.5) / CELLS
    out = np.exp(-((at_x - x) ** 2 + (at_y - y) ** 2) / (2 * 0.02**2))
    return (out / out.sum()).astype(np.float32)


def person(back: float, width: float = 0.1, lean: float = 0.0) -> np.ndarray:
    """(1, 41, n, n) of somebody upright: every left point with the share ``back`` of its mass on the picture's left of
    the body and the rest on the other side, right points the other way round; ``lean`` moves all to the right."""
    maps = np.empty((1, NUM_POINTS, CELLS, CELLS), np.float32)
    for point, name in enumerate(POINT_NAMES):
        y = 0.1 + 0.02 * (sum(map(ord, name.split("_", 1)[-1])) % 40)
        y = {"joint_neck": 0.25, "joint_pelvis": 0.58}.get(name, y)
        middle = 0.5 + lean
        share = back if "left" in name else 1 - back
        sided = "left" in name or "right" in name
        maps[0, point] = (
            share * bump(middle - width, y) + (1 - share) * bump(middle + width, y) if sided else bump(middle, y)
        )
    return maps


def estimate(depth_m: float, x: float = 0.0, score: float = 0.8) -> BodyEstimate:
    joints = np.zeros((24, 3), np.float32) + np.float32([x, 0, depth_m])
    joints[12, 1] = -0.5
    points = np.full((NUM_POINTS, 3), score, np.float32)
    points[:, :2] = REQUEST.intrinsics.project(joints[[12]])
    return BodyEstimate(
        pose=np.zeros((24, 3)),
        betas=np.zeros(10),
        translation=joints[0],
        joints=joints,
        points_px=points,
        score=score,
        quality=0.5,
    )


def follow(facing: Facing, seen, depths_m, start_s: float = 0.0, step_s: float = 0.1, **told) -> np.ndarray:
    """The last of the settled heatmaps (1, 41, n, n) of a person at these depths, one frame after the other."""
    settled = seen
    for index, depth in enumerate(depths_m):
        request = replace(REQUEST, time_s=start_s + index * step_s)
        settled = facing.settle(seen, [request])
        facing.place([request], [estimate(depth, **told)])
    return settled


def knees(heatmaps: np.ndarray) -> tuple[float, float]:
    """Left and right one, x in crop fractions."""
    return tuple(decode_heatmaps(heatmaps, 1.0)[0, [LEFT_KNEE, RIGHT_KNEE], 0].tolist())


AWAY, NEARER = np.linspace(3, 5, 30), np.linspace(5, 3, 30)


@pytest.mark.parametrize("doubt", [0.4, 0.5, 0.6])
@pytest.mark.parametrize("depths_m", [AWAY, NEARER])
def test_who_walks_away_shows_the_back_and_who_comes_the_front(doubt, depths_m):
    settled = follow(Facing(), person(doubt), depths_m)
    left, right = knees(settled) if depths_m is AWAY else knees(settled)[::-1]
    assert left == pytest.approx(0.4, abs=0.01) and right == pytest.approx(0.6, abs=0.01)
    np.testing.assert_allclose(settled.sum((2, 3)), 1, atol=1e-4)


def test_it_counts_while_they_stand_then():
    facing = Facing()
    follow(facing, person(0.4), AWAY)
    left, right = knees(follow(facing, person(0.4), np.full(50, 5.0), start_s=3.0))
    assert left < right


def test_both_knees_on_one_leg_are_parted_by_the_rest_of_the_body():
    """Nobody walks: the other points have a back, the knees are both surer of the same place."""
    seen = person(0.8)
    seen[0, LEFT_KNEE] = 0.45 * bump(0.4, 0.7) + 0.55 * bump(0.6, 0.7)
    seen[0, RIGHT_KNEE] = bump(0.6, 0.7)
    assert knees(seen)[0] == pytest.approx(0.6, abs=0.01)
    assert knees(follow(Facing(), seen, [3.0, 3.0])) == pytest.approx((0.4, 0.6), abs=0.01)


def test_sure_heatmaps_are_believed_whoever_walks_backwards():
    front = person(0.0)
    settled = decode_heatmaps(follow(Facing(), front, AWAY), 1.0)
    np.testing.assert_allclose(settled, decode_heatmaps(front, 1.0), atol=2e-3)


def test_an_ankle_may_cross_where_a_hip_may_not():
    seen = person(1.0)
    ankle, hip = POINT_NAMES.index("left_ankle"), POINT_NAMES.index("left_hip")
    seen[0, ankle] = seen[0, hip] = 0.2 * bump(0.4, 0.7) + 0.8 * bump(0.6, 0.7)
    found = decode_heatmaps(follow(Facing(), seen, AWAY), 1.0)[0]
    assert found[ankle, 0] == pytest.approx(0.6, abs=0.01)
    assert found[hip, 0] == pytest.approx(0.4, abs=0.01)


def test_a_long_way_is_no_surer_than_a_short_one():
    """Who goes far and comes all the way back shows the front, though the looks are in slight favour of the back."""
    facing, looks = Facing(), person(0.55)
    follow(facing, looks, np.linspace(3, 9, 80))
    left, right = knees(follow(facing, looks, np.linspace(9, 3, 80), start_s=8.0))
    assert left > right


def test_unknown_people_and_first_looks_are_left_alone():
    facing, seen = Facing(), person(0.6)
    unknown = replace(REQUEST, person=None)
    for _ in range(3):
        assert facing.settle(seen, [unknown]) is seen
        facing.place([unknown], [estimate(3.0)])
    assert facing.settle(seen, [REQUEST]) is seen
    assert facing.settle(seen, [replace(REQUEST, time_s=0.1)]) is not seen
    assert facing.settle(seen, [replace(REQUEST, time_s=0.2 + STALE_S)]) is seen, "after a gap"
    assert facing.settle(seen, [replace(REQUEST, time_s=0.0)]) is seen, "a clock that runs backwards"


def test_who_is_seen_from_the_side_in_between_may_have_turned():
    facing = Facing()
    follow(facing, person(0.4), AWAY)
    follow(facing, person(0.5, width=0.01), np.full(40, 5.0), start_s=3.0)
    left, right = knees(follow(facing, person(0.4), np.full(10, 5.0), start_s=7.0))
    assert left > right


def test_a_jump_is_no_walk():
    """The tracker changes over to somebody further along: a metre and a half, as the sight has it."""
    facing, looks = Facing(), person(0.35)
    follow(facing, looks, np.full(5, 3.0), step_s=1 / 30, x=2.0)
    left, right = knees(follow(facing, looks, np.full(5, 3.0), start_s=5 / 30, step_s=1 / 30, x=1.0))
    assert left > right


def test_doubtful_bodies_stand_anywhere():
    left, right = knees(follow(Facing(), person(0.35), AWAY, score=0.4))
    assert left > right


def test_a_mirror_image_is_settled_as_the_mirror_image():
    seen = person(0.6, lean=0.03)
    mirrored = seen[:, list(POINT_MIRROR), :, ::-1].copy()
    one = follow(Facing(), seen, AWAY, x=0.2)
    other = follow(Facing(), mirrored, AWAY, x=-0.2)
    np.testing.assert_allclose(other, one[:, list(POINT_MIRROR), :, ::-1], atol=1e-5)


def test_frame_rates_make_little_difference():
    slow = follow(Facing(), person(0.4), np.linspace(3, 3.6, 10), step_s=0.1)
    fast = follow(Facing(), person(0.4), np.linspace(3, 3.6, 55), step_s=1 / 60)
    np.testing.assert_allclose(slow, fast, atol=0.1 * slow.max())


def test_somebody_without_a_trunk_in_the_picture_is_left_alone():
    seen = person(0.6)
    seen[0, POINT_NAMES.index("joint_neck")] = seen[0, POINT_NAMES.index("joint_pelvis")]
    assert follow(Facing(), seen, AWAY) is seen
