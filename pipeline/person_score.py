"""How sure one may be that a person stands somewhere, by what two networks say."""

UNSEEN = 0.15
"""What the locator's silence counts: people whom somebody hides are followed although it does not see them."""
NEW, STAYS = 0.56, 0.52
"""From here on a candidate is a person, and somebody who is followed still is one.

Of the 280 people on the 205 validation photographs `NEW` finds 84 %, with 0.15 false ones a picture; with 0.10 it is 83
%, and 77.5 % for a limit on the estimate's score alone (`python -m pipeline.newcomer_report --shared DIR`). The score
of a candidate is lowered where the trunk's features speak against a person (`engines.methods.presence`), that of
somebody who is followed is not; somebody sure whom the locator does not see has 0.57."""
STILL_NEW = 0.42
"""The same in pictures that stand alone: nobody gets a second chance there, and who reads them sees each body's score,
which presence does not lower. On 91 photographs 89 % of 185 people have a body (`python -m engines.training.evaluate
--only photos`); with an earlier trunk, presence and 0.28, as many bodies had an OKS of 0.656 in place of 0.659, and an
AP of 0.479 in place of 0.474."""


def person_score(estimate: float, locator: float) -> float:
    """0..1 from the score of the body's estimate and that of the locator's box, a weighted geometric mean."""
    return estimate**0.75 * max(locator, UNSEEN) ** 0.25


def least_estimate(limit: float, locator: float) -> float:
    """A score of the estimate below which no `person_score` reaches ``limit``, tight but for rounding."""
    return (1 - 1e-9) * (limit / max(locator, UNSEEN) ** 0.25) ** (4 / 3)
