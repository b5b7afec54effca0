"""Views of rendered people: labels lie where the pictures show them, truths where cameras see them."""

import numpy as np
import pytest

from engines.keypoints import PART_MIRROR, POINT_MIRROR
from engines.training.factory.shards import CROP_PX
from engines.training.rendered_views import RenderedViews, rendered_batch
from engines.training.synthetic_source import SyntheticSource
from engines.training.views import NETWORK_SIDE, View, prepared_points, true_bodies
from tests.engines.training.rendered_people import DOTS, write_people

COUNT, SIZE = 4, 128


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_people(folder, COUNT)
    return folder


@pytest.mark.parametrize("mirror", [False, True])
def test_labels_lie_where_the_picture_shows_them(folder, mirror):
    shard, rng = SyntheticSource(folder, "train").shards[0], np.random.default_rng(0)
    view = View(mirror=mirror, centre=np.array((0.515, 0.48)) * CROP_PX, side=NETWORK_SIDE * 1.2, turn=0.2)
    batch = rendered_batch(shard, list(range(COUNT)), [view] * COUNT, SIZE, rng)
    for row in range(COUNT):
        for dot in DOTS:
            name = POINT_MIRROR[dot] if mirror else dot
            x, y = batch.points[row, name, :2]
            assert batch.images[row, int(y), int(x)].min() > 180, (row, dot)
        # Left of the pelvis class 3, right of it class 4, and the other way round with other names in the mirror.
        across = np.array((np.cos(0.2), np.sin(0.2)))
        for step, part in ((-6, 3), (6, 4)):
            part = PART_MIRROR[{3: 4, 4: 3}[part]] if mirror else part
            x, y = (batch.points[row, 17, :2] + step * across) / 4
            assert batch.parts[row, int(y), int(x)] == part


def test_true_points_are_the_true_bodies_projection(folder):
    shard, rng = SyntheticSource(folder, "train").shards[0], np.random.default_rng(1)
    rows, views = list(range(COUNT)), [View.draw(rng) for _ in range(COUNT)]
    batch = rendered_batch(shard, rows, views, SIZE, rng)
    prepared = prepared_points(batch.points, np.zeros(batch.points.shape[:2]), shard, rows, views, SIZE)
    truth = true_bodies(shard, rows, views, prepared)
    np.testing.assert_allclose(prepared.inputs["points"][..., :2], truth.image, atol=2e-3)
    assert np.abs(truth.depth[:, 17]).max() < 1e-5  # the pelvis


def test_jitter_spreads_the_crops_sizes(folder):
    sides = [view.side for view in RenderedViews(folder, 0, 0.3).batch(COUNT, SIZE).views]
    assert np.ptp(np.log(sides)) > 0.02
    assert np.abs(np.log(np.array(sides) / NETWORK_SIDE)).max() <= 0.3
    assert {view.side for view in RenderedViews(folder, 0, 0.0).batch(COUNT, SIZE).views} == {NETWORK_SIDE}
