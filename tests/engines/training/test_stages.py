"""Options that change along a schedule."""

from argparse import ArgumentTypeError

import pytest

from engines.training.stages import Stages


@pytest.mark.parametrize(
    ("text", "values"),
    [("256", [256, 256, 256]), ("192:0.35,256:1", [192, 256, 256]), ("1:0.3,0.5:0.8", [1, 0.5, 0.5])],
)
def test_a_value_holds_until_its_share_of_the_schedule(text, values):
    stages = Stages.parse(text)
    assert [stages.at(progress) for progress in (0.0, 0.35, 1.0)] == values


@pytest.mark.parametrize("text", ["", "large", "192:0.3:1", "192:0.5,256:0.3", "192,256"])
def test_what_is_no_schedule_is_refused_with_its_text(text):
    with pytest.raises(ArgumentTypeError) as refusal:
        Stages.parse(text)
    assert repr(text) in str(refusal.value)
