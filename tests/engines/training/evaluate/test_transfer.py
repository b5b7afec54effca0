"""Differences are paired; the averaged weights of a run are what is asked."""

import numpy as np
import torch

from engines.networks.hourglass import PRESETS, Trunk
from engines.training.evaluate.transfer import difference, load_run, some_of
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


def test_averaged_weights_are_read(tmp_path):
    torch.manual_seed(0)
    average = Trunk(PRESETS["small"]).state_dict()
    torch.save({"net": {}, "average": average}, tmp_path / "checkpoint.pt")
    trunk = load_run(tmp_path, "small")
    assert not trunk.training
    for name, value in trunk.state_dict().items():
        torch.testing.assert_close(value, average[name])
