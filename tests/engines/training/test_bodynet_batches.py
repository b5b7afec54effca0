"""Batches for the shape network: bits, mirrors, classes."""

from __future__ import annotations

import numpy as np
import pytest

from engines.keypoints import NUM_POINTS, PART_MIRROR, PART_NAMES, POINT_MIRROR
from engines.networks.bodynet import COARSE_PARTS

CELLS, PEOPLE = 16, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from engines.training.bodynet_cache import SeenVolumes

    rng = np.random.default_rng(0)
    voxels = np.zeros((PEOPLE, CELLS, CELLS, CELLS), bool)
    voxels[:, 4:9, 2:14, 1:6] = True  # left of the middle
    seen = voxels.any(1)
    maps = np.zeros((PEOPLE, 57, 8, 8), np.uint8)
    maps[:, :, 3, 1] = np.arange(1, 58)  # every channel is known by its value
    mesh = np.array([(-0.8, 0, 0), (-0.4, 0, 0)], np.float16)
    path = tmp_path_factory.mktemp("volumes")
    for split in ("train", "val"):
        SeenVolumes(
            crops=rng.integers(0, 255, (PEOPLE, 32, 32, 3)).astype(np.uint8),
            maps=maps,
            depth=np.tile(np.arange(NUM_POINTS, dtype=np.float32), (PEOPLE, 1)),
            voxels=np.packbits(voxels, axis=-1),
            seen=np.packbits(seen, axis=-1),
            mesh=np.repeat(mesh[None], PEOPLE, 0),
        ).save(path / f"{split}-0000-0.npz")
    return path


def test_rows_are_what_was_stored(folder):
    from engines.training.bodynet_batches import VolumeSource

    batch = VolumeSource(folder, "val").rows(1, 9)
    assert batch.crops.shape == (3, 3, 32, 32) and batch.truth.voxels.shape == (3, CELLS, CELLS, CELLS)
    voxels = batch.truth.voxels.numpy()
    assert voxels[:, 4:9, 2:14, 1:6].all() and voxels.sum() == 3 * 5 * 12 * 5
    np.testing.assert_array_equal(batch.truth.seen.numpy(), voxels.any(1))
    np.testing.assert_allclose(batch.maps[0, :, 3, 1], np.arange(1, 58) / 255, rtol=1e-6)


def test_half_of_a_training_batch_is_the_mirror_image(folder):
    from engines.training import bodynet_batches
    from engines.training.bodynet_batches import VolumeSource

    parts = np.array([PART_NAMES.index("left_thigh"), PART_NAMES.index("torso")], np.uint8)
    source = VolumeSource(folder, "train", seed=1, vertex_parts=parts)
    batch = source.draw(40)
    voxels, maps, depth = batch.truth.voxels.numpy(), batch.maps.numpy(), batch.depth.numpy()
    classes = batch.truth.classes.numpy()
    left = voxels[:, 5, 5, 2]
    assert 8 < left.sum() < 32
    leg = COARSE_PARTS[PART_NAMES.index("left_thigh")]
    other_leg = COARSE_PARTS[PART_NAMES.index("right_thigh")]
    for row, straight in enumerate(left):
        column = 1 if straight else 6
        order = np.arange(57)
        if not straight:
            order = np.array([*POINT_MIRROR, *(NUM_POINTS + part for part in PART_MIRROR)])
        found = np.round(maps[row, :, 3, column] * 255).astype(int)
        kept = found > 0  # others were left out on purpose
        np.testing.assert_array_equal(found[kept], order[kept] + 1)
        assert not np.delete(maps[row], column, axis=2).any()
        assert np.abs(depth[row] - order[:NUM_POINTS]).max() < 6 * bodynet_batches.DEPTH_NOISE
        np.testing.assert_array_equal(batch.truth.seen[row].numpy(), voxels[row].any(0))
        np.testing.assert_array_equal(classes[row] > 0, voxels[row])
        assert classes[row, 5, 5, 1 if straight else CELLS - 2] == (leg if straight else other_leg)


def test_a_folder_without_files_says_how_to_make_some(tmp_path):
    from engines.training.bodynet_batches import VolumeSource

    with pytest.raises(FileNotFoundError, match=r"no train-\*\.npz .*bodynet_cache"):
        VolumeSource(tmp_path, "train")
