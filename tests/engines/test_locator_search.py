"""Several looks at a single picture, with a locator that sees what the test painted into the picture."""

import numpy as np
import pytest

from engines.locator_search import SIZES, fused, parts, search

RED, GREEN = (255, 0, 0), (0, 255, 0)


def painted(size, people):
    """A black picture of (width, height) with boxes in colours."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for (x0, y0, x1, y1), colour in people:
        image[y0:y1, x0:x1] = colour
    return image


class SeesColours:
    """Finds the box of every colour in a part, if it is not too small in the network's input."""

    def __init__(self, low=0.0, score=0.8):
        self.low, self.score = low, score
        self.looks = 0

    def __call__(self, part, share):
        self.looks += 1
        found = []
        for channel in (0, 1):
            rows, columns = np.nonzero(part[..., channel])
            if len(rows):
                height = share * np.ptp(rows) / max(part.shape[:2])
                if height >= self.low:
                    found.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, self.score))
        return np.array(found, np.float32).reshape(-1, 5)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (500, 500), (1920, 400), (90, 60)])
def test_parts_cover_the_picture_and_fill_the_networks_square(size):
    for relative in SIZES:
        covered = np.zeros(size[::-1], bool)
        for x0, y0, x1, y1 in parts(size, relative):
            covered[y0:y1, x0:x1] = True
            assert max(x1 - x0, y1 - y0) <= max(size) / max(relative, 1) + 1
        assert covered.all()


def test_everybody_comes_back_once_where_they_stand():
    truth = [((40, 30, 140, 330), RED), ((420, 100, 600, 470), GREEN)]
    found = search(SeesColours(), painted((640, 480), truth), 0.55)
    assert found.shape == (2, 5)
    for box, _ in truth:
        assert np.abs(found[:, :4] - box).max(1).min() < 1.5
    assert found[:, 4] == pytest.approx(0.8)


def test_who_is_cut_by_the_end_of_a_part_is_not_taken_for_somebody_smaller():
    # As wide as the picture: every part of the third size cuts this person.
    truth = (10, 200, 630, 280)
    found = search(SeesColours(), painted((640, 480), [(truth, RED)]), 0.55)
    assert len(found) == 1
    assert np.abs(found[0, :4] - truth).max() < 1.5
    assert found[0, 4] == pytest.approx(0.8)


def test_small_people_are_found_by_the_looks_that_see_them_larger_and_score_less():
    box = (300, 200, 330, 260)
    only_close = SeesColours(low=60 / 640 * 1.2)
    found = search(only_close, painted((640, 480), [(box, RED)]), 0.55)
    assert len(found) == 1
    assert np.abs(found[0, :4] - box).max() < 1.5
    assert 0.1 < found[0, 4] < 0.6


def test_nobody_gives_no_boxes_after_every_look():
    look = SeesColours()
    assert search(look, painted((640, 480), []), 0.55).shape == (0, 5)
    upright = 2 * sum(1 for relative in SIZES for _ in parts((640, 480), relative))
    assert look.looks == upright + 2 * 3


class SeesTall(SeesColours):
    """Takes for people only what is higher than wide."""

    def __call__(self, part, share):
        found = super().__call__(part, share)
        return found[found[:, 3] - found[:, 1] > found[:, 2] - found[:, 0]]


def test_who_lies_is_found_in_a_turned_picture_where_nobody_stands():
    lying, standing = ((50, 300, 400, 400), RED), ((450, 60, 550, 400), GREEN)
    (found,) = search(SeesTall(), painted((640, 480), [lying]), 0.55)
    assert np.abs(found[:4] - lying[0]).max() < 1.5
    assert found[4] == pytest.approx(0.7 * 0.8)
    (found,) = search(SeesTall(), painted((640, 480), [lying, standing]), 0.55)
    assert np.abs(found[:4] - standing[0]).max() < 1.5


def test_boxes_are_averaged_by_their_scores():
    seen = np.array([(0, 0, 100, 100)] * 2, np.float32)
    boxes = np.array([(10, 10, 30, 60, 0.9), (12, 10, 32, 60, 0.3)], np.float32)
    (together,) = fused(boxes, seen, 0.55)
    assert together == pytest.approx((10.5, 10, 30.5, 60, 0.6))


def test_a_box_of_which_clipping_left_nothing_is_nobody():
    seen = np.array([(0, 0, 100, 100)], np.float32)
    boxes = np.array([(0, 40, 0, 60, 0.9), (10, 10, 30, 60, 0.5)], np.float32)
    assert fused(boxes, seen, 0.55).tolist() == [boxes[1].tolist()]
