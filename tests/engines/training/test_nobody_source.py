"""Squares that show nobody, and what the trunk is told of them."""

import numpy as np
import pytest
import torch

from engines.training.augment import AugmentRanges
from engines.training.losses.trunk import heatmap_loss, heatmap_targets
from engines.training.nobody_source import SQUARES, NobodySource
from engines.training.photos.person_crops import STORED_SIZE_PX
from engines.training.trunk_batches import draw_batch
from tests.engines.training.photo_shards import write_photos


@pytest.fixture
def source(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    record = {"licence_class": "open"}
    write_photos(tmp_path / "data/backgrounds", "train", [(photo, record), (photo, {"licence_class": "research"})])
    return NobodySource(tmp_path, "train")


def test_squares_of_open_photographs_alone_the_same_each_time(source):
    assert len(source) == SQUARES
    first, again, other = (source.sample(index).image for index in (0, 0, 1))
    assert first.shape == (STORED_SIZE_PX, STORED_SIZE_PX, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_place_is_the_right_one_wherever_the_crop_goes(source):
    batch = draw_batch(np.random.default_rng(1), [(source, 1.0)], 16, 64, AugmentRanges())
    target, weight = heatmap_targets(torch.from_numpy(batch.points), 16, 64)
    torch.testing.assert_close(target, torch.full_like(target, 1 / 256))
    assert (weight > 0).all() and set(np.unique(batch.parts)) <= {0, 255} and (batch.parts == 0).any()
    unsure, sure = torch.zeros_like(target), 9 * torch.nn.functional.one_hot(torch.tensor(40), 256).view(16, 16)
    assert heatmap_loss(unsure, target, weight) < heatmap_loss(sure.expand_as(target), target, weight)
