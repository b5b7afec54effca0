"""Scores of whole photographs: who is missed counts, bodies are given to people once, AP ranks by score."""

import numpy as np
import pytest

from engines.training.evaluate.photos import Found, Photograph, assigned, photo_scores


def people(*left_px: float) -> np.ndarray:
    """(N, 17, 3) labelled points of people 100 px wide and 200 px high, one at each place."""
    points = np.random.default_rng(1).uniform((0, 0), (100, 200), (17, 2))
    points[[5, 6, 11, 12]] = (30, 40), (70, 40), (40, 110), (60, 110)
    return np.stack([np.column_stack([points + np.array([x, 0]), np.ones(17)]) for x in left_px])


def photograph(*left_px: float) -> Photograph:
    boxes = np.array([(x, 0, x + 100, 200) for x in left_px], float)
    return Photograph(np.zeros((200, 900, 3), np.uint8), boxes, np.zeros((0, 4)), people(*left_px))


def test_perfect_bodies_score_one_and_a_missed_person_nothing():
    photos = [photograph(0, 400)]
    both = Found(photos[0].points[..., :2], np.array([0.9, 0.8]))
    perfect = photo_scores(photos, [both])
    assert (perfect.people, perfect.found, perfect.oks, perfect.pck) == (2, 1, 1, 1)
    assert perfect.average_precision == pytest.approx(1)
    half = photo_scores(photos, [Found(both.points[:1], both.scores[:1])])
    assert (half.found, half.oks, half.pck) == (0.5, 0.5, 0.5)
    assert half.average_precision == pytest.approx(0.5, abs=0.01)
    assert photo_scores(photos, [Found(np.zeros((0, 17, 2)), np.zeros(0))]).average_precision == 0


def test_a_body_is_given_to_one_person_alone():
    alike = np.array([[0.9, 0.8], [0.85, 0.05]])
    assert assigned(alike).tolist() == [0, -1]
    assert assigned(np.array([[0.9, 0.8], [0.85, 0.3]])).tolist() == [0, 1]
    assert assigned(np.zeros((0, 3))).tolist() == [-1, -1, -1]


def test_false_bodies_cost_precision_only_where_they_are_surer():
    photos = [photograph(0)]
    right, wrong = photos[0].points[0, :, :2], photos[0].points[0, :, :2] + np.array([500, 0])
    late = photo_scores(photos, [Found(np.stack([right, wrong]), np.array([0.9, 0.1]))])
    early = photo_scores(photos, [Found(np.stack([right, wrong]), np.array([0.1, 0.9]))])
    assert late.average_precision == pytest.approx(1) and early.average_precision < 0.6
    assert early.oks == late.oks == 1


def test_small_and_unlabelled_people_are_not_asked_for():
    photo = photograph(0, 300, 600)
    photo.boxes[1, 3] = 60
    photo.points[2, 4:, 2] = 0
    assert photo.counted.tolist() == [True, False, False]
    only = Found(photo.points[:1, :, :2], np.ones(1))
    assert photo_scores([photo], [only]).average_precision == pytest.approx(1)
