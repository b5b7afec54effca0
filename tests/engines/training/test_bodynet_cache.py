"""Truth volumes against pictures of the same bodies drawn by the rasteriser."""

from __future__ import annotations

import numpy as np
import pytest

from engines.body import load_body
from engines.keypoints import NUM_POINTS
from engines.networks.bodynet import PRESETS
from engines.training.bodynet_cache import SeenVolumes, Volumes
from engines.training.factory.shards import CROP_PX, SynthSample, read_shard, write_shard
from engines.training.views import View
from kernels.raster import raster

COUNT, CELLS = 3, 64
K = np.array((330.0, 330, 100, 120))


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    body, rng = load_body(), np.random.default_rng(0)
    pose = rng.normal(0, 0.2, (COUNT, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)
    betas = rng.normal(0, 1, (COUNT, 10)).astype(np.float32)
    place = rng.normal((0, 0, 3.5), 0.1, (COUNT, 3)).astype(np.float32)
    posed = body.forward(pose, betas, place)
    parts = np.zeros((CROP_PX // 2, CROP_PX // 2), np.uint8)
    parts[40:60, 30:50] = 2  # stored-crop pixels 60..100 across, 80..120 down
    samples = [
        SynthSample(
            image=np.full((CROP_PX, CROP_PX, 3), 90, np.uint8), parts=parts, others=0 * parts,
            points=np.zeros((NUM_POINTS, 3)), joints_cam=posed.joints[row],
            landmarks_cam=body.coco(posed.vertices)[row], pose=pose[row], betas=betas[row], translation=place[row],
            K=K, crop_in_source=np.zeros(5), box=np.zeros(4),
        )
        for row in range(COUNT)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("shards") / "train-0000.npz"
    write_shard(path, samples)
    return read_shard(path)


def test_front_views_of_the_voxels_are_the_pictures_of_the_bodies(shard, tmp_path):
    body = load_body()
    volumes = Volumes(body, PRESETS["small"])
    seed = 5
    found = volumes.see(shard, list(range(COUNT)), np.random.default_rng(seed))
    volumes.close()
    found.save(tmp_path / "a.npz")
    found = SeenVolumes.load(tmp_path / "a.npz")
    assert found.crops.shape[0] == COUNT and found.maps.shape[:2] == (COUNT, 57)
    assert np.isfinite(found.depth).all()
    voxels = np.unpackbits(found.voxels, axis=-1).astype(bool)
    seen = np.unpackbits(found.seen, axis=-1).astype(bool)
    assert voxels.shape == (COUNT, CELLS, CELLS, CELLS)

    from engines.training.augment import distort_colours

    rng = np.random.default_rng(seed)
    posed = body.forward(shard.pose, shard.betas, shard.translation)
    for row in range(COUNT):
        view = View.draw(rng)
        distort_colours(rng, shard.image(row), 0.7)  # the same random numbers are used up
        scale = CELLS / view.side
        corner = view.centre - view.side / 2
        camera = scale * np.array([[K[0], K[1], K[2] - corner[0], K[3] - corner[1]]])
        drawn = raster(posed.vertices[row : row + 1], body.faces[0], camera, (CELLS, CELLS)).silhouette[0] > 0
        front = voxels[row].any(0)
        assert (front & drawn).sum() / (front | drawn).sum() > 0.9
        # It lies around the pelvis.
        there = np.argwhere(voxels[row])
        depth = (there[:, 0] + 0.5) * 2 / CELLS - 1
        assert abs(np.median(depth)) < 0.2
        # Clothes and skin that are seen, where they are seen.
        columns = np.flatnonzero(seen[row].any(0)) + 0.5
        expected = (np.array((60, 100)) - corner[0]) * scale
        np.testing.assert_allclose((columns[0] - 0.5, columns[-1] + 0.5), expected, atol=1.5)
