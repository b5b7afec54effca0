"""Differences are paired; the people asked about are the same each time."""

import numpy as np

from engines.training.evaluate.transfer import difference, some_of
from engines.training.photos.person_crops import PersonCrops


def test_a_shift_of_every_person_has_no_error():
    reference = np.linspace(0, 1, 50)
    assert difference(reference + 0.02, reference) == "+2.0 ± 0.0"
    assert difference(reference[::-1], reference).endswith("0.0 ± 8.3")


def test_people_are_drawn_the_same_each_time():
    rows = np.arange(100)
    crops = PersonCrops(*[rows] * len(PersonCrops.__dataclass_fields__))
    one, other = some_of(crops, 10), some_of(crops, 10)
    np.testing.assert_array_equal(one.images, other.images)
    assert len(set(one.human)) == 10 and set(one.human) <= set(rows)
