"""How sure one may be that a person stands somewhere, by what two networks say."""

UNSEEN = 0.15
"""What the locator's silence counts: people whom somebody hides are followed although it does not see them."""
NEW, STAYS = 0.58, 0.52
"""From here on a candidate is a person, and somebody who is followed still is one.

Of the 280 people on the 205 validation photographs `NEW` finds 77 %, with 0.20 false ones a picture; with a tenth of a
false one a picture it is 74 %, and 63 % for a limit on the estimate's score alone (`python -m pipeline.newcomer_report
--shared DIR`). `STAYS` was chosen on the clip of a street: bodies in its leaves
score 0.5 to 0.7 with a locator that half believes in them, the people around 0.9."""

STILL_NEW = 0.45
"""The same in pictures that stand alone: nobody gets a second chance there, and who reads them sees each body's score.
On 91 photographs 85 % of 185 people have a body, 72 % at `NEW` (`engines.training.evaluate --only photos`)."""


def person_score(estimate: float, locator: float) -> float:
    """0..1 from the score of the body's estimate and that of the locator's box, a weighted geometric mean."""
    return estimate**0.75 * max(locator, UNSEEN) ** 0.25
