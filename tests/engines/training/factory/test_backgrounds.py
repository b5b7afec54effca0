"""Only photographs of the licences asked for are drawn; of those that show people, where there are few."""

import numpy as np
import pytest

from engines.training.factory.backgrounds import (
    PEOPLE_FOLDERS,
    emptiest_part,
    load_backgrounds,
    procedural,
    random_patch,
)
from engines.training.factory.codec import decode_rgb
from tests.engines.training.photo_shards import write_photos


def grey(level, size=(20, 30)):
    return np.full((*size, 3), level, np.uint8)


@pytest.fixture
def shared(tmp_path):
    for split, classes in (("train", ("open", "research", "mixed-cc", "unstated")), ("val", ("research",))):
        photos = [(grey(50 * number), {"licence_class": licence}) for number, licence in enumerate(classes)]
        write_photos(tmp_path / "data/backgrounds", split, photos)
    for folder in PEOPLE_FOLDERS:
        write_photos(tmp_path / "data" / folder, "train", [])
    return tmp_path


def test_licences(shared):
    found = load_backgrounds(shared, val=False)
    assert [int(decode_rgb(data).mean()) for data in found] == [0, 100]  # open, mixed-cc
    assert len(load_backgrounds(shared, val=False, licences=("research", "unstated"))) == 2
    with pytest.raises(ValueError, match="no background"):
        load_backgrounds(shared, val=True)


def test_photographs_of_people_lend_what_is_beside_them(shared):
    half = grey(200, (200, 400))
    half[:, :200] = 80  # Where the person is.
    person = {"people": [{"box_xyxy": [0, 0, 199, 199]}], "ignore_xyxy_score": [], "licence_class": "open"}
    closed = person | {"licence_class": "research"}
    alone = {"people": [], "ignore_xyxy_score": [[0, 0, 199, 199, 0.4]], "licence_class": "open"}
    write_photos(shared / "data/coco_people", "train", [(half, person), (half, closed)])
    write_photos(shared / "data/people", "train", [(half, alone)])
    levels = [int(decode_rgb(data).mean()) for data in load_backgrounds(shared, val=False)]
    assert levels == [0, 100, 200, 200]


def test_the_largest_square_that_is_empty_enough():
    image = np.arange(300 * 400, dtype=np.uint32).reshape(300, 400, 1).astype(np.uint8)
    assert emptiest_part(image, np.zeros((0, 4))).shape == (300, 300, 1)
    assert emptiest_part(image, np.array([[-20.0, -20, 200, 320]])).shape == (240, 240, 1), "0.8 of the short side"
    np.testing.assert_array_equal(
        emptiest_part(image, np.array([[0.0, 0, 290, 300]])), image[: int(0.45 * 300), -int(0.45 * 300) :]
    )
    assert emptiest_part(image, np.array([[0.0, 0, 399, 299]])) is None
    assert emptiest_part(image[:120, :120], np.zeros((0, 4))) is None, "too small"


def test_patches_come_from_inside():
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30] = 200
    rng = np.random.default_rng(0)
    for _ in range(20):
        patch = random_patch(image, 32, rng)
        assert patch.shape == (32, 32, 3)
        assert patch.max() == 200
        assert np.ptp(patch.astype(int).mean(axis=(1, 2))) > 50
    assert procedural(64, rng).shape == (64, 64, 3)


def test_broken_picture_is_named():
    with pytest.raises(ValueError, match="5 bytes are not a picture"):
        decode_rgb(np.arange(5, dtype=np.uint8))
