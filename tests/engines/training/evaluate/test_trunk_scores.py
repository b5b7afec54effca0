"""Scores of points on photographs, and their breakdown, on people whose answers are written down."""

import numpy as np
import pytest

from engines.keypoints import COCO_NAMES
from engines.training.evaluate.trunk import STILL_PADDING, breakdown, score_points, summed_up
from engines.training.photos.person_crops import CROP_PADDING, MASK_SIZE_PX, STORED_MARGIN, STORED_SIZE_PX, PersonCrops
from pipeline.person_box import STILL_SCALE

SIZE = 256
WRIST = COCO_NAMES.index("left_wrist")
SIDE = STORED_SIZE_PX / STORED_MARGIN
"""Stored-crop pixels that the network sees; here as many as it has."""


def crops(scale: float = 1.0) -> PersonCrops:
    """Three people of the same points: all known; a hidden wrist; no hips known."""
    rng = np.random.default_rng(2)
    points = np.ones((3, 17, 3), np.float32)
    points[..., :2] = rng.uniform(100, 190, (17, 2))
    points[..., 5:7, 1], points[..., 11:13, 1] = 110, 160
    points[1, WRIST, 2] = 0.7
    points[2, 11:13, 2] = 0
    return PersonCrops(
        np.zeros((3, STORED_SIZE_PX, STORED_SIZE_PX, 3), np.uint8), points, np.full((3, 2), (70, 150), np.float32),
        np.full((3, MASK_SIZE_PX, MASK_SIZE_PX), 255, np.uint8), np.array([True] * 3), np.full(3, scale, np.float32),
    )  # fmt: skip


def answer(people: PersonCrops, *, wrist_off: float = 0.0, closer: float = 1.0):
    """A network that knows the truth but for the left wrist, in its own pixels, of squares so many times smaller."""
    found = people.points.copy()
    found[..., :2] = (found[..., :2] - STORED_SIZE_PX / 2) * closer + SIDE / 2
    found[:, WRIST, 0] += wrist_off
    assert SIDE == SIZE
    return lambda images: found[: len(images)]


def test_the_truth_scores_one():
    total = summed_up(score_points(answer(crops()), crops(), SIZE, human=True))
    assert (total.people, total.oks, total.pck, total.pck_limbs) == (3, pytest.approx(1), 1, 1)


def test_closer_squares_score_alike():
    closer = CROP_PADDING / STILL_PADDING
    seen = answer(crops(), wrist_off=80, closer=closer)
    scores = score_points(seen, crops(), SIZE, human=True, padding=STILL_PADDING)
    assert scores.oks == pytest.approx([16 / 17, 16 / 17, 14 / 15], abs=0.01)
    assert pytest.approx(STILL_PADDING) == STILL_SCALE
    assert summed_up(score_points(seen, crops(), SIZE, human=True)).oks < scores.oks.mean() - 0.03


def test_a_lost_wrist_shows_where_it_belongs():
    scores = score_points(answer(crops(), wrist_off=80), crops(), SIZE, human=True)
    found = breakdown(scores)
    assert scores.oks == pytest.approx([16 / 17, 16 / 17, 14 / 15], abs=0.01)
    assert found["PCK left_wrist"] == 0 and found["PCK right_wrist"] == 1
    # Two whole torsos: 34 known points, one visible and one hidden wrist lost.
    assert found["PCK visible"] == pytest.approx(32 / 33) and found["PCK hidden"] == 0
    assert summed_up(scores).pck == pytest.approx(32 / 34) and summed_up(scores).pck_limbs == pytest.approx(22 / 24)
    assert found["OKS 128-224 px"] == pytest.approx(scores.oks.mean()) and np.isnan(found["OKS 0-128 px"])


def test_small_people_of_photographs_are_left_out():
    with pytest.raises(ValueError):
        score_points(answer(crops(3.0)), crops(3.0), SIZE, human=True)
    found = breakdown(score_points(answer(crops(1.5)), crops(1.5), SIZE, human=True))
    assert found["OKS 0-128 px"] == pytest.approx(1)
