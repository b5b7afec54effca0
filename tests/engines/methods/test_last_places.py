"""Two peaks alike: the one near the last place is read; a sure one elsewhere wins at once."""

from dataclasses import replace

import numpy as np
import pytest

from engines.camera import Intrinsics
from engines.estimate import Sighting
from engines.keypoints import NUM_POINTS, POINT_MIRROR, POINT_NAMES
from engines.methods import CropRequest
from engines.methods.last_places import STALE_S, LastPlaces
from engines.methods.recent_people import MAX_PEOPLE
from kernels.decode_heatmaps import decode_heatmaps

CELLS = 64
REQUEST = CropRequest(
    image=np.zeros((9, 9, 3), np.uint8),
    center_px=np.array([500.0, 300.0]),
    side_px=200.0,
    intrinsics=Intrinsics.from_fov(1000, 600),
    person=("clip", 1),
    time_s=1.0,
)
LATER = replace(REQUEST, time_s=1.03)
NOSE, LEFT_KNEE, RIGHT_KNEE = (POINT_NAMES.index(name) for name in ("nose", "left_knee", "right_knee"))


def bump(x: float, y: float) -> np.ndarray:
    """(n, n) peak at crop fractions, summing to one."""
    middle = (np.arange(CELLS) + 0.5) / CELLS
    peak = np.exp(-0.5 * (((middle - x) / 0.02) ** 2 + ((middle[:, None] - y) / 0.02) ** 2))
    return peak / peak.sum()


def maps(share: float, here=(0.3, 0.5), there=(0.7, 0.5)) -> np.ndarray:
    """(1, 41, n, n): a share of each map's mass here, the rest there."""
    one = share * bump(*here) + (1 - share) * bump(*there)
    return np.tile(one, (1, NUM_POINTS, 1, 1)).astype(np.float32)


def seen_at(x: float, y: float, request: CropRequest = REQUEST, confidence: float = 1.0) -> Sighting:
    points = np.zeros((NUM_POINTS, 3), np.float32)
    points[:, :2] = request.center_px + (np.array([x, y]) - 0.5) * request.side_px
    points[:, 2] = confidence
    return Sighting(points_px=points, score=confidence)


def remembering(sighting: Sighting) -> LastPlaces:
    places = LastPlaces()
    places.keep([REQUEST], [sighting])
    return places


def settled(places: LastPlaces, heatmaps: np.ndarray, request: CropRequest = LATER) -> np.ndarray:
    found = places.settle(heatmaps, [request])
    assert found is not heatmaps
    return found


@pytest.mark.parametrize("last", [0.3, 0.7])
def test_of_two_peaks_alike_the_one_near_the_last_place_is_read(last):
    found = settled(remembering(seen_at(last, 0.5)), maps(0.5))
    np.testing.assert_allclose(decode_heatmaps(found, 1.0)[0, :, 0], last, atol=0.01)
    np.testing.assert_allclose(found.sum((2, 3)), 1, atol=1e-4)


def test_a_sure_peak_elsewhere_wins_and_where_there_was_doubt_nothing_holds():
    assert decode_heatmaps(settled(remembering(seen_at(0.7, 0.5)), maps(0.8)), 1.0)[0, NOSE, 0] == pytest.approx(
        0.3, abs=0.01
    )
    unsure = remembering(seen_at(0.7, 0.5, confidence=0.02))
    assert decode_heatmaps(settled(unsure, maps(0.6)), 1.0)[0, NOSE, 0] == pytest.approx(0.3, abs=0.01)


def test_the_picture_may_be_cropped_elsewhere_now():
    moved = replace(LATER, center_px=LATER.center_px + np.array([40.0, 0.0]), side_px=250.0)
    # What was at 0.7 of the first square is at 0.5 of this one.
    found = settled(remembering(seen_at(0.7, 0.5)), maps(0.5, here=(0.5, 0.5), there=(0.2, 0.5)), moved)
    assert decode_heatmaps(found, 1.0)[0, NOSE, 0] == pytest.approx(0.5, abs=0.01)


def test_knees_that_changed_places_are_held_less_than_a_knee_that_jumps():
    last = seen_at(0.3, 0.5)
    last.points_px[RIGHT_KNEE, 0] = REQUEST.center_px[0] + 0.2 * REQUEST.side_px  # 0.7: where the other peak is
    places = remembering(last)
    left = np.float32([settled(places, maps(share))[0, LEFT_KNEE, :, : CELLS // 2].sum() for share in (0.5, 0.3)])
    alone = np.float32(
        [
            settled(remembering(seen_at(0.3, 0.5)), maps(share))[0, LEFT_KNEE, :, : CELLS // 2].sum()
            for share in (0.5, 0.3)
        ]
    )
    assert 0.5 < left[0] < 0.6 < alone[0] and left[1] < 0.4 < alone[1]


def test_nothing_is_known_of_strangers_of_pictures_alone_and_of_long_ago():
    places, heatmaps = remembering(seen_at(0.3, 0.5)), maps(0.5)
    for request in (
        replace(LATER, person=("clip", 2)),
        replace(LATER, person=None),
        replace(LATER, alone=True),
        replace(LATER, time_s=1.01 + STALE_S),
        REQUEST,
        replace(LATER, time_s=0.9),
    ):
        assert places.settle(heatmaps, [request]) is heatmaps
    both = places.settle(np.concatenate([heatmaps, heatmaps]), [replace(LATER, person=None), LATER])
    assert (both[0] == heatmaps[0]).all() and (both[1] != heatmaps[0]).any()


@pytest.mark.parametrize("gap, held", [(50.0, False), (70.0, True)])
def test_the_past_says_nothing_of_somebody_whom_another_one_is_close_to(gap, held):
    places, heatmaps = remembering(seen_at(0.3, 0.5)), np.concatenate([maps(0.5)] * 2)
    other = replace(LATER, person=("clip", 2), center_px=LATER.center_px - np.array([gap, 10.0]))
    assert (places.settle(heatmaps, [LATER, other]) is not heatmaps) == held
    elsewhere = replace(other, image=np.zeros_like(other.image))
    assert places.settle(heatmaps, [LATER, elsewhere]) is not heatmaps


def test_mirrored_people_are_mirrored():
    rng = np.random.default_rng(0)
    last = seen_at(0.5, 0.5)
    last.points_px[:, :2] += rng.normal(scale=20, size=(NUM_POINTS, 2))
    heatmaps = rng.random((1, NUM_POINTS, CELLS, CELLS)).astype(np.float32)
    heatmaps /= heatmaps.sum((2, 3), keepdims=True)
    points = last.points_px[list(POINT_MIRROR)].copy()
    points[:, 0] = 2 * REQUEST.center_px[0] - points[:, 0]
    one = settled(remembering(last), heatmaps)
    other = settled(remembering(Sighting(points_px=points, score=1.0)), heatmaps[:, list(POINT_MIRROR), :, ::-1])
    np.testing.assert_allclose(other, one[:, list(POINT_MIRROR), :, ::-1], atol=1e-5)


def test_only_so_many_are_remembered():
    places, one = LastPlaces(), seen_at(0.3, 0.5)
    for number in range(MAX_PEOPLE + 1):
        places.keep([replace(REQUEST, person=number)], [one])
    heatmaps = maps(0.5)
    assert places.settle(heatmaps, [replace(LATER, person=0)]) is heatmaps
    assert places.settle(heatmaps, [replace(LATER, person=1)]) is not heatmaps
