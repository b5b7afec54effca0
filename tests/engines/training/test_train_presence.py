"""A regression that finds what speaks against a person, on squares whose makers know it."""

import numpy as np
import pytest

from engines.training.train_presence import UNHARMED, Squares, fit, told_apart

COUNT, CHANNELS = 4000, 6


def squares(seed: int) -> Squares:
    """Scores that say little; the first summary says more, the others nothing."""
    rng = np.random.default_rng(seed)
    person = rng.random(COUNT) < 0.4
    summaries = rng.normal(size=(COUNT, 2 * CHANNELS)) * 3 + 7
    summaries[:, 0] += 6 * person
    return Squares(
        estimate=(0.6 + 0.1 * person + 0.1 * rng.standard_normal(COUNT)).clip(0.01, 1),
        locator=(0.4 + 0.1 * person + 0.2 * rng.standard_normal(COUNT)).clip(0.15, 1),
        summaries=summaries,
        person=person,
    )


def test_strangers_are_told_from_people_better_than_by_the_score():
    presence, unseen = fit(squares(0), 1e-3), squares(1)
    before, after = (
        told_apart(unseen, unseen.estimate),
        told_apart(unseen, unseen.estimate * presence.of_summaries(unseen.summaries)),
    )
    assert before < 0.8
    assert after > 0.88
    others = np.abs(presence.weight[1:]) * 3  # per standard deviation
    assert others.max() < 0.1 * presence.weight[0] * 3


def test_features_that_know_more_than_the_score_do_not_turn_it_round():
    of = squares(0)
    rng = np.random.default_rng(5)
    # Among squares that look alike to the features, the lower score is a person's.
    seen = of.person + 0.3 * rng.standard_normal(COUNT)
    summaries = of.summaries.copy()
    summaries[:, 0] = seen
    estimate = (0.6 + 0.25 * seen - 0.15 * of.person + 0.02 * rng.standard_normal(COUNT)).clip(0.01, 1)
    known = Squares(estimate=estimate, locator=of.locator, summaries=summaries, person=of.person)
    factor = fit(known, 1e-3).of_summaries(summaries)
    assert factor[of.person].mean() > factor[~of.person].mean() + 0.1
    assert told_apart(known, estimate * factor) > told_apart(known, estimate)


def test_most_people_keep_their_score():
    of = squares(0)
    kept = fit(of, 1e-3).of_summaries(of.summaries)[of.person] > 1 - 1e-6
    assert kept.mean() == pytest.approx(UNHARMED, abs=0.01)


def test_a_large_ridge_leaves_scores_alone():
    of = squares(0)
    assert fit(of, 1e4).of_summaries(of.summaries) == pytest.approx(np.ones(COUNT), abs=1e-3)


@pytest.mark.parametrize("person", [True, False])
def test_both_kinds_are_needed(person):
    of = squares(0)
    alike = Squares(
        estimate=of.estimate, locator=of.locator, summaries=of.summaries, person=np.full(COUNT, person, bool)
    )
    with pytest.raises(ValueError, match="both kinds are needed"):
        fit(alike, 1e-3)


def test_told_apart_counts_pairs():
    of = squares(0)
    assert told_apart(of, of.person.astype(float)) == 1
    assert told_apart(of, -of.person.astype(float)) == 0
