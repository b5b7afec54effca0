"""The average with mirror images on a device against the CPU path, and what both must do to a mirrored map."""

import numpy as np
import pytest

from kernels.average_mirror import average_mirror as on_cpu
from kernels.launch.average_mirror import average_mirror


@pytest.mark.parametrize(
    "shape", [(2, 1, 1, 1), (6, 41, 48, 48), (2, 16, 7, 13), (8, 3, 17, 31), (4, 41), (0, 5, 8, 8)]
)
def test_against_the_cpu_path(device, shape):
    rng = np.random.default_rng(len(shape))
    maps, order = rng.normal(size=shape).astype(np.float32), rng.permutation(shape[1])
    there = device.upload(maps)
    found = device.download(average_mirror(there, order.tolist()))
    np.testing.assert_array_equal(found, on_cpu(maps.copy(), order))
    # The mirror images themselves are left as they were.
    np.testing.assert_array_equal(device.download(there)[shape[0] // 2 :], maps[shape[0] // 2 :])


def test_a_faithful_network_loses_nothing(device):
    """Where the mirror image's maps are the mirror images of the maps, left for right, the average is the map."""
    order = [1, 0, 2]
    seen = np.random.default_rng(0).random((2, 3, 9, 11), np.float32)
    both = np.concatenate([seen, seen[:, order, :, ::-1]])
    np.testing.assert_array_equal(device.download(average_mirror(device.upload(both), order)), seen)


def test_refusals(device):
    with pytest.raises(ValueError, match="3 rows"):
        average_mirror(device.upload(np.zeros((3, 1, 2, 2), np.float32)), [0])
    with pytest.raises(ValueError, match="permutation of 2 channels"):
        average_mirror(device.upload(np.zeros((2, 2, 2, 2), np.float32)), [0, 0])
    with pytest.raises(ValueError, match="at most 64"):
        average_mirror(device.upload(np.zeros((2, 65, 2, 2), np.float32)), list(range(65)))
    with pytest.raises(TypeError, match="float32"):
        average_mirror(device.upload(np.zeros((2, 1, 2, 2))), [0])
