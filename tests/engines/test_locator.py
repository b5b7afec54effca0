"""The locator's geometry: letterboxing and decoding, with a network whose answer is painted by the test."""

import numpy as np
import pytest

from engines.boxes import suppress
from engines.locator import STRIDE, Locator, decode, letterbox


class PaintedEngine:
    """Answers with boxes given in pixels of the network's input."""

    def __init__(self, boxes, cells=40):
        self.scores = np.full((1, 1, cells, cells), -9.0, np.float32)
        self.sides = np.ones((1, 4, cells, cells), np.float32)
        for x0, y0, x1, y1, logit in boxes:
            column, row = int((x0 + x1) / 2 / STRIDE), int((y0 + y1) / 2 / STRIDE)
            x, y = (column + 0.5) * STRIDE, (row + 0.5) * STRIDE
            self.scores[0, 0, row, column] = logit
            self.sides[0, :, row, column] = x - x0, y - y0, x1 - x, y1 - y

    def __call__(self, inputs):
        assert inputs["picture"].shape == (1, 320, 320, 3)
        return {"scores": self.scores, "sides": self.sides}


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (720, 1280), (100, 100), (641, 359)])
def test_boxes_come_back_in_picture_pixels(width, height):
    scale = 320 / max(width, height)
    truth = np.array([0.2 * width, 0.1 * height, 0.5 * width, 0.8 * height])
    engine = PaintedEngine([(*truth * scale, 3.0)])
    found = Locator(engine, 320).detect(np.zeros((height, width, 3), np.uint8))
    assert found.shape == (1, 5)
    assert found[0, :4] == pytest.approx(truth, abs=0.01 * max(width, height))
    assert found[0, 4] == pytest.approx(1 / (1 + np.exp(-3.0)))


def test_boxes_are_clipped_to_the_picture():
    engine = PaintedEngine([(-20, -10, 60, 400, 3.0)])
    found = Locator(engine, 320).detect(np.zeros((320, 320, 3), np.uint8))
    assert found[0, :4] == pytest.approx([0, 0, 60, 320])


def test_letterbox_keeps_the_aspect_and_pads_with_black():
    image = np.full((100, 200, 3), 255, np.uint8)
    canvas, scale = letterbox(image, 320)
    assert scale == 1.6
    assert canvas[1:159, 1:319].min() == 255  # the edge is blended with the black around it
    assert canvas[161:].max() == 0


def test_duplicates_of_one_person_are_suppressed_and_neighbours_are_not():
    boxes = np.array([[0, 0, 50, 100, 0.9], [4, 2, 52, 104, 0.8], [45, 0, 95, 100, 0.7]], np.float32)
    assert suppress(boxes, 0.55).tolist() == [0, 2]


def test_weak_cells_and_slopes_are_no_people():
    engine = PaintedEngine([(100, 100, 150, 200, -2.0)])
    assert len(decode(engine.scores[0, 0], engine.sides[0], 0.35, 0.55)) == 0


def test_a_search_of_a_large_picture_gives_boxes_in_its_own_pixels():
    class SeesWhite:
        """A box around what is white on the canvas."""

        def __call__(self, inputs):
            rows, columns = np.nonzero(inputs["picture"][0, ..., 0] > 128)
            boxes = [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 3.0)] if len(rows) else []
            return {"scores": (painted := PaintedEngine(boxes)).scores, "sides": painted.sides}

    image = np.zeros((3003, 4001, 3), np.uint8)
    image[400:2600, 1200:2400] = 255
    (found,) = Locator(SeesWhite(), 320).search(image)
    assert found[:4] == pytest.approx([1200, 400, 2400, 2600], abs=15)
