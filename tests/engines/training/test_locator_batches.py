"""Views of whole photographs for the locator: boxes stay on the people."""

import numpy as np
import pytest

from engines.training.locator_batches import Photo, place, quarter_turned


def marked_photo() -> Photo:
    """A grey photograph with one white person and one black ignored one."""
    image = np.full((60, 100, 3), 128, np.uint8)
    image[10:50, 20:35], image[5:15, 70:95] = 255, 0
    return Photo(image, np.array([[20, 10, 35, 50]], np.float32), np.array([[70, 5, 95, 15]], np.float32))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_boxes_turn_with_their_photograph(turns):
    turned = quarter_turned(marked_photo(), turns)
    assert turned.image.shape == ((60, 100, 3) if turns == 2 else (100, 60, 3))
    for box, level in ((turned.boxes[0], 255), (turned.ignore[0], 0)):
        x0, y0, x1, y1 = box.astype(int)
        assert (turned.image[y0:y1, x0:x1] == level).all()
        assert (turned.image == level).sum() == 3 * (x1 - x0) * (y1 - y0)


@pytest.mark.parametrize("seed", range(20))
def test_a_view_keeps_the_box_on_the_person(seed):
    rng = np.random.default_rng(seed)
    image, boxes, _ = place(rng, marked_photo(), 128, strength=0.0)
    (x0, y0, x1, y1) = boxes[0].round().astype(int)
    inside = image[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2]
    assert inside.size and (inside > 230).all()
    outside = image.copy()
    outside[max(y0 - 2, 0) : y1 + 2, max(x0 - 2, 0) : x1 + 2] = 0
    assert (outside < 200).all()


def test_strength_widens_the_range_of_scales():
    def spread(strength: float) -> float:
        rng = np.random.default_rng(0)
        views = [place(rng, marked_photo(), 256, strength=strength)[1] for _ in range(60)]
        return float(np.std([np.log(np.prod(boxes[0, 2:] - boxes[0, :2])) for boxes in views if len(boxes)]))

    assert spread(0.0) < spread(0.4) < spread(1.0)
