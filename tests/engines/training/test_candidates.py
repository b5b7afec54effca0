"""Which of the locator's candidates stand on people."""

import numpy as np

from engines.training.candidates import MAX_CANDIDATES, labelled_candidates, large
from engines.training.locator_batches import Photo

PICTURE = np.zeros((300, 400, 3), np.uint8)
SMALL, FIRST, SECOND, CROWD = (300, 20, 330, 60), (10, 10, 60, 200), (80, 10, 130, 210), (200, 100, 400, 300)
PHOTO = Photo(PICTURE, np.array([SMALL, FIRST, SECOND], np.float32), np.array([CROWD], np.float32))


def candidates_of(*found: tuple[float, ...]):
    boxes = np.array(found, np.float32).reshape(-1, 5)
    return labelled_candidates(lambda image: boxes, PHOTO)


def test_people_are_numbered_among_the_large_ones():
    assert large(PHOTO).tolist() == [False, True, True]
    found, person = candidates_of((*SECOND, 0.9), (*FIRST, 0.8), (12, 8, 60, 195, 0.7), (150, 10, 190, 90, 0.6))
    assert person.tolist() == [1, 0, 0, -1]
    np.testing.assert_allclose(found[:, 4], [0.9, 0.8, 0.7, 0.6])


def test_small_and_unlabelled_people_do_not_count():
    found, person = candidates_of((*SMALL, 0.9), (210, 110, 300, 300, 0.8))
    assert found.shape == (0, 5)
    assert person.shape == (0,)


def test_only_the_surest_are_taken():
    found, _ = candidates_of(*[(*FIRST, 1 - 0.01 * index) for index in range(MAX_CANDIDATES + 3)])
    assert len(found) == MAX_CANDIDATES
