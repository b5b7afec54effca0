"""Two crops that claim one place: the surer one keeps it, the other falls back on its own second peak."""

import numpy as np
import pytest

from engines.keypoints import NUM_POINTS, POINT_NAMES
from engines.methods.grouping import part_people
from kernels.decode_heatmaps import decode_heatmaps

CELLS = 40
CENTERS, SIDES = np.array([[100.0, 100.0], [160.0, 110.0]]), np.array([120.0, 160.0])
WRIST, OTHER_WRIST = POINT_NAMES.index("left_wrist"), POINT_NAMES.index("right_wrist")


def heatmap(row: int, places: list[tuple[float, float, float]]) -> np.ndarray:
    """A sum of bumps of (x, y in source pixels, mass) in the cells of a crop."""
    y, x = np.mgrid[:CELLS, :CELLS] + 0.5
    out = np.full((CELLS, CELLS), 1e-6)
    for px, py, mass in places:
        cx, cy = ((np.array([px, py]) - CENTERS[row]) / SIDES[row] + 0.5) * CELLS
        bump = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 1.2**2))
        out += mass * bump / bump.sum()
    return out


def two_people(**claims) -> np.ndarray:
    """(2, 41, n, n): every point of each person at a place of its own, but for ``claims``: name -> one list each."""
    maps = np.zeros((2, NUM_POINTS, CELLS, CELLS), np.float32)
    rng = np.random.default_rng(4)
    for row in range(2):
        own = CENTERS[row] + rng.uniform(-0.2, 0.2, (NUM_POINTS, 2)) * SIDES[row] + ((-15, 0), (25, 0))[row]
        for point in range(NUM_POINTS):
            maps[row, point] = heatmap(row, [(*own[point], 0.9)])
        for name, places in claims.items():
            maps[row, POINT_NAMES.index(name)] = heatmap(row, places[row])
    return maps


def read(maps: np.ndarray) -> np.ndarray:
    points = decode_heatmaps(maps, 1.0)
    points[..., :2] = CENTERS[:, None] + (points[..., :2] - 0.5) * SIDES[:, None, None]
    return points


def part(maps: np.ndarray, pictures=(0, 0), centers=CENTERS, sides=SIDES) -> np.ndarray:
    return part_people(read(maps), maps, centers, sides, pictures)


def test_the_weaker_claim_falls_back_on_its_own_wrist():
    mine, yours = (105.0, 120.0), (140.0, 112.0)
    maps = two_people(left_wrist=[[(*yours, 0.5), (*mine, 0.35)], [(*yours, 0.8)]])
    before, after = read(maps), part(maps)
    assert before[0, WRIST, :2] == pytest.approx(yours, abs=2)
    assert after[0, WRIST, :2] == pytest.approx(mine, abs=2)
    assert after[1, WRIST, :2] == pytest.approx(yours, abs=2)


def test_the_other_side_of_the_neighbour_is_the_neighbours_too():
    mine, yours = (105.0, 120.0), (140.0, 112.0)
    far = (175.0, 130.0)
    maps = two_people(
        left_wrist=[[(*yours, 0.5), (*mine, 0.35)], [(*far, 0.8)]], right_wrist=[[(90.0, 90.0, 0.8)], [(*yours, 0.8)]]
    )
    after = part(maps)
    assert after[0, WRIST, :2] == pytest.approx(mine, abs=2)
    assert after[1, OTHER_WRIST, :2] == pytest.approx(yours, abs=2)


def test_a_claim_without_alternative_is_doubted():
    yours = (140.0, 112.0)
    maps = two_people(left_wrist=[[(*yours, 0.2)], [(*yours, 0.9)]])
    before, after = read(maps), part(maps)
    assert after[0, WRIST, 2] < 0.7 * before[0, WRIST, 2]
    assert after[1, WRIST, 2] == pytest.approx(before[1, WRIST, 2], rel=0.05), "the surer one loses nothing"


def test_points_that_nobody_else_claims_stay_where_they_are():
    maps = two_people()
    before, after = read(maps), part(maps)
    kept = after[..., 2] > 0.8 * before[..., 2]
    assert kept.mean() > 0.6
    np.testing.assert_allclose(after[kept][:, :2], before[kept][:, :2], atol=2.0)


def test_other_pictures_and_distant_people_are_no_rivals():
    maps = two_people(left_wrist=[[(140.0, 112.0, 0.5)], [(140.0, 112.0, 0.8)]])
    points = read(maps)
    assert part_people(points, maps, CENTERS, SIDES, (0, 1)) is points
    assert part_people(points, maps, CENTERS + np.array([[0], [500]]), SIDES, (0, 0)) is points


def test_two_crops_of_one_person_keep_their_points():
    """A duplicate is found by its points: they must not be driven apart."""
    maps = two_people()
    rng = np.random.default_rng(1)
    for point in range(NUM_POINTS):
        place = (130 + rng.uniform(-20, 20), 105 + rng.uniform(-30, 30), 0.9)
        maps[0, point], maps[1, point] = heatmap(0, [place]), heatmap(1, [place])
    points = read(maps)
    assert part_people(points, maps, CENTERS, SIDES, (0, 0)) is points
