"""Augmentation keeps pictures, points and part maps aligned."""

import numpy as np
import pytest

from engines.keypoints import NUM_POINTS, POINT_MIRROR, POINT_NAMES
from engines.training.augment import NONE, UPPER_BODY, AugmentRanges, crop_transform, warp
from engines.training.trunk_batches import OUTSIDE_PX, Sample, augment_sample


class DotSource:
    """A black picture with one bright dot on the left wrist and part 7 (left hand) around it."""

    wrist = np.array([130.0, 90.0])

    def __len__(self):
        return 1

    def sample(self, index):
        image = np.zeros((288, 288, 3), np.uint8)
        x, y = self.wrist.astype(int)
        image[y - 4 : y + 4, x - 4 : x + 4] = 255
        parts = np.zeros((144, 144), np.uint8)
        parts[y // 2 - 4 : y // 2 + 4, x // 2 - 4 : x // 2 + 4] = 7
        points = np.zeros((NUM_POINTS, 3), np.float32)
        points[POINT_NAMES.index("left_wrist")] = *self.wrist, 1
        depth = np.full(NUM_POINTS, np.nan, np.float32)
        depth[POINT_NAMES.index("left_wrist")] = 0.3
        return Sample(image, points, depth, parts, 1.5)


@pytest.mark.parametrize("seed", range(12))
def test_the_dot_stays_under_its_label(seed):
    source = DotSource()
    ranges = AugmentRanges(colour=0, occluder_probability=0)
    image, points, depth, parts = augment_sample(np.random.default_rng(seed), source.sample(0), 192, ranges, source)
    (index,) = np.flatnonzero(points[:, 2])
    mirrored = index == POINT_NAMES.index("right_wrist")
    assert mirrored or index == POINT_NAMES.index("left_wrist")
    assert depth[index] == pytest.approx(0.3)
    rows, columns = np.nonzero(image[..., 0] > 128)
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(points[index, :2], abs=1.0)
    part_rows, part_columns = np.nonzero(parts == (8 if mirrored else 7))
    assert [(part_columns.mean() + 0.5) * 4, (part_rows.mean() + 0.5) * 4] == pytest.approx(points[index, :2], abs=4)


def test_without_augmentation_the_middle_is_cut_out():
    source = DotSource()
    _, points, _, _ = augment_sample(np.random.default_rng(0), source.sample(0), 192, NONE, source)
    expected = (source.wrist - 144) * (192 / (288 / 1.5)) + 96
    assert points[POINT_NAMES.index("left_wrist"), :2] == pytest.approx(expected)


def test_points_outside_the_picture_do_not_take_the_upper_body_with_them():
    ranges = AugmentRanges(upper_body_probability=1, log_scale=0, shift=0, rotation_deg=0, any_rotation_probability=0)
    points = np.zeros((17, 3), np.float32)
    points[UPPER_BODY] = [(120 + 4 * i, 100 + 5 * i, 1) for i in range(len(UPPER_BODY))]
    points[9] = (OUTSIDE_PX, OUTSIDE_PX, 1)
    matrix, _ = crop_transform(np.random.default_rng(0), 288, 1.5, 64, points, ranges)
    seen = points[[5, 6], :2] @ matrix[:, :2].T + matrix[:, 2]
    assert ((seen > 0) & (seen < 64)).all()
    assert np.ptp(seen[:, 1]) > 1


def test_strong_shrinking_does_not_shift():
    image = np.zeros((400, 400, 3), np.uint8)
    image[200:, :] = 255
    small = warp(image, np.array([[0.1, 0, 0], [0, 0.1, 0]]), 40)
    assert small[:19].max() < 30
    assert small[21:].min() > 225


def test_mirror_twice_is_the_identity():
    assert [POINT_MIRROR[i] for i in POINT_MIRROR] == list(range(NUM_POINTS))
