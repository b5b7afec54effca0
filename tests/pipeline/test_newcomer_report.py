"""Who counts as found, as false, and as neither; limits that let in so many false ones."""

from dataclasses import dataclass

import numpy as np
import pytest

from engines.training.locator_batches import Photo
from pipeline.newcomer_report import Candidates, candidates, found_above, limit_for

PICTURE = np.zeros((300, 400, 3), np.uint8)
PERSON, SMALL, CROWD = (10, 10, 60, 200), (300, 20, 330, 60), (200, 100, 400, 300)
PHOTOS = [
    Photo(PICTURE, np.array([SMALL, PERSON], np.float32), np.array([CROWD], np.float32)),
    Photo(PICTURE, np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32)),
    Photo(PICTURE, np.array([PERSON], np.float32), np.zeros((0, 4), np.float32)),
]


@dataclass
class Found:
    """A locator that answers what it was told, picture by picture."""

    answers: list[list[tuple[float, ...]]]

    def detect(self, image: np.ndarray) -> np.ndarray:
        return np.array(self.answers.pop(0), np.float32).reshape(-1, 5)


@dataclass
class Scored:
    """A method whose scores are the sides of the crops over 1,000."""

    weights: dict[str, str]

    def estimate(self, requests, spans_ms):
        return [Scored.Body(request.side_px / 1000) for request in requests]

    def close(self) -> None:
        pass

    @dataclass
    class Body:
        score: float


def test_people_false_ones_and_what_does_not_count():
    locator = Found(
        [
            [(*PERSON, 0.9), (12, 8, 60, 195, 0.7), (*SMALL, 0.6), (210, 110, 300, 300, 0.5)],
            [(100, 100, 180, 220, 0.4)],
            [],
        ]
    )
    of = candidates(Scored({}), locator, PHOTOS)
    assert (of.people, of.photos) == (2, 3)
    assert of.person.tolist() == [0, 0, -1]
    np.testing.assert_allclose(of.locator, [0.9, 0.7, 0.4])
    np.testing.assert_allclose(of.estimate, [0.2375, 0.23375, 0.15], rtol=1e-5)


OF = Candidates(
    locator=np.array([0.9, 0.8, 0.7, 0.6, 0.5]),
    estimate=np.zeros(5),
    person=np.array([0, -1, 0, 1, -1]),
    people=4,
    photos=10,
)


def test_a_person_found_twice_is_found_once():
    assert found_above(OF.locator, OF, 0.65) == (0.25, 0.1)
    assert found_above(OF.locator, OF, 0.5) == (0.5, 0.2)


@pytest.mark.parametrize(("false_alarms", "found", "wrong"), [(0.0, 0.25, 0.0), (0.1, 0.5, 0.1), (0.2, 0.5, 0.2)])
def test_a_limit_lets_in_no_more_false_ones_than_asked(false_alarms, found, wrong):
    limit = limit_for(OF.locator, OF, false_alarms)
    assert found_above(OF.locator, OF, limit) == (found, wrong)
