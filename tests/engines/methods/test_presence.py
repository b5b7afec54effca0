"""What features say against a person lowers the score, and nothing else."""

import numpy as np
import pytest

from engines.methods import WEIGHTS
from engines.methods.presence import UNTOLD, Presence, channel_summaries, doubt
from engines.methods.trunk_method import sightings
from engines.runtime.fingerprint import fingerprint

CHANNELS = 3
DOUBTS = Presence(weight=np.array([1, 0, 0, 0, 0, -2], np.float32), bias=0.5)


def features(mean: float, peak: float) -> np.ndarray:
    """(1, 3, 4, 4) whose first channel has that mean and whose last has that maximum."""
    maps = np.zeros((1, CHANNELS, 4, 4), np.float32)
    maps[0, 0], maps[0, 2, 1, 3] = mean, peak
    return maps


def test_summaries_are_means_then_maxima():
    maps = np.random.default_rng(0).normal(size=(2, CHANNELS, 4, 5)).astype(np.float32)
    both = channel_summaries(maps)
    np.testing.assert_allclose(both[:, :CHANNELS], maps.mean((2, 3)), atol=1e-6)
    np.testing.assert_array_equal(both[:, CHANNELS:], maps.max((2, 3)))


@pytest.mark.parametrize(("mean", "peak", "factor"), [(0, 0, 1), (2, 0, 1), (0, 0.25, 1), (0, 1, np.exp(-1.5))])
def test_the_factor_is_one_until_the_evidence_turns(mean, peak, factor):
    assert DOUBTS(features(mean, peak)) == pytest.approx([factor], rel=1e-5)


def test_features_of_another_trunk_are_refused():
    with pytest.raises(ValueError, match="mismatch"):
        DOUBTS(np.zeros((1, CHANNELS + 1, 4, 4), np.float32))


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "presence.npz"
    Presence(weight=DOUBTS.weight, bias=DOUBTS.bias, trunk="abc").save(path)
    loaded = Presence.load(path)
    np.testing.assert_array_equal(loaded.weight, DOUBTS.weight)
    assert (loaded.bias, loaded.trunk) == (DOUBTS.bias, "abc")


def test_the_score_is_lowered_and_the_points_are_left():
    points = np.full((2, 41, 3), 0.4, np.float32)
    plain, doubted = sightings(points), sightings(points, presence=np.array([1, 0.5], np.float32))
    assert [one.score for one in doubted] == pytest.approx([plain[0].score, plain[1].score / 2])
    for one, other in zip(plain, doubted, strict=True):
        np.testing.assert_array_equal(one.points_px, other.points_px)


def test_only_doubted_people_are_judged():
    presence = np.array([0.3, 0.4, 0.5])
    assert doubt(presence, [False, True, False]).tolist() == [1, 0.4, 1]
    assert doubt(None, [True, False]).tolist() == [UNTOLD, 1]


def test_what_ships_was_learned_with_the_trunk_that_ships():
    assert Presence.load(WEIGHTS / "presence-small.npz").trunk == fingerprint(WEIGHTS / "trunk-small.onnx")
