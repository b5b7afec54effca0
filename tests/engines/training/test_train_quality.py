"""A regression that finds what errors grow with."""

import numpy as np
import pytest

from engines.training.train_quality import Examples, fit

NUMBER = 185


def examples(count: int, seed: int) -> Examples:
    """Errors that the second trait multiplies by e for each unit, and chance by a tenth."""
    rng = np.random.default_rng(seed)
    traits = rng.normal(0.3, 0.4, (count, NUMBER))
    return Examples(traits=traits, errors_m=0.06 * np.exp(traits[:, 1] + 0.1 * rng.standard_normal(count)))


def test_it_finds_what_errors_grow_with():
    expected, unseen = fit(examples(3000, 0), 1e-3), examples(200, 1)
    assert expected.weight[1] == pytest.approx(1, abs=0.05)
    assert np.abs(np.delete(expected.weight, 1)).max() < 0.05
    assert expected.of_traits(unseen.traits) == pytest.approx(unseen.errors_m, rel=0.5)


def test_a_large_ridge_expects_the_same_of_everybody():
    of = examples(3000, 0)
    found = fit(of, 1e6).of_traits(of.traits)
    assert found == pytest.approx(np.full(3000, np.exp(np.log(of.errors_m).mean())), rel=1e-3)


def test_too_few_people_are_refused():
    with pytest.raises(ValueError, match="100 people for 185 traits"):
        fit(examples(100, 0), 0.3)
