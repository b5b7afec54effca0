"""Silhouette kernels against loops in float64, their gradients against finite differences."""

import numpy as np
import pytest

from kernels.launch.voxel_project import (
    voxel_perspective,
    voxel_perspective_backward,
    voxel_project,
    voxel_project_backward,
)
from kernels.voxel_perspective import voxel_perspective as cpu_perspective

SHAPES = [
    (1, 1, 1, 1),
    (2, 3, 4, 5),
    (1, 9, 2, 128),  # more slices than warps, full rows
    (1, 17, 1, 130),  # rows beyond 128, not a multiple of 4
    (1, 2, 2, 512),  # the widest
    (3, 8, 3, 36),
]


def first_largest(array, axis):
    index = array.argmax(axis)
    return np.take_along_axis(array, np.expand_dims(index, axis), axis).squeeze(axis), index


def project(device, grid):
    return voxel_project(device.upload(grid))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("filling", ["random", "empty", "one voxel", "ties", "negative"])
def test_largest_along_each_ray(device, shape, filling):
    rng = np.random.default_rng(0)
    grid = {
        "random": lambda: rng.random(shape),
        "empty": lambda: np.zeros(shape),
        "one voxel": lambda: np.arange(np.prod(shape)).reshape(shape) == np.prod(shape) // 2,
        "ties": lambda: rng.integers(0, 2, shape),
        "negative": lambda: -rng.random(shape),
    }[filling]().astype(np.float32)
    found = project(device, grid)
    front, front_index = first_largest(grid.astype(float), 1)
    side, side_index = first_largest(grid.astype(float), 3)
    np.testing.assert_array_equal(device.download(found.front), front)
    np.testing.assert_array_equal(device.download(found.front_argmax), front_index)
    np.testing.assert_array_equal(device.download(found.side), side.swapaxes(1, 2))
    np.testing.assert_array_equal(device.download(found.side_argmax), side_index.swapaxes(1, 2))


@pytest.mark.parametrize("shape", [(2, 3, 4, 3), (1, 4, 2, 4), (1, 9, 1, 6)])
def test_gradient_by_finite_differences(device, shape):
    rng = np.random.default_rng(1)
    batch, depth, height, width = shape
    grid = rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32)
    to_front = rng.normal(size=(batch, height, width)).astype(np.float32)
    to_side = rng.normal(size=(batch, height, depth)).astype(np.float32)

    def loss(o):
        return (o.max(1) * to_front).sum() + (o.max(3).swapaxes(1, 2) * to_side).sum()

    found = project(device, grid)
    grad = device.download(voxel_project_backward(device.upload(to_front), device.upload(to_side), found))
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = 0.25
        assert grad[index] == pytest.approx((loss(grid + step) - loss(grid - step)) / 0.5, abs=1e-5)


def pinhole(batch, shape, distance=0.8):
    """Grids of 2 cm voxels in front of a camera, each a little elsewhere."""
    _, height, width = shape
    rows = [[60.0, 55.0, 16.3, 12.1, -0.01 * width + 0.03 * b, -0.01 * height, distance, 0.02] for b in range(batch)]
    return np.array(rows, np.float32)


def walk_ray(grid, camera, column, row):
    """One ray in float64; also how close it came to a border between voxels."""
    fx, fy, cx, cy, x0, y0, z0, size = camera.astype(float)
    best, index, closest = 0.0, -1, 1.0
    for d in range(grid.shape[0]):
        z = z0 + (d + 0.5) * size
        w, h = ((column + 0.5 - cx) / fx * z - x0) / size, ((row + 0.5 - cy) / fy * z - y0) / size
        closest = min(closest, abs(w - round(w)), abs(h - round(h)))
        if z > 0 and 0 <= w < grid.shape[2] and 0 <= h < grid.shape[1]:
            value = grid[d, int(h), int(w)]
            if index < 0 or value > best:
                best, index = value, (d * grid.shape[1] + int(h)) * grid.shape[2] + int(w)
    return best, index, closest


@pytest.mark.parametrize("shape", [(1, 1, 1), (6, 9, 7), (3, 20, 33)])
def test_perspective_against_rays_in_float64(device, shape):
    grid = np.random.default_rng(2).random((2, *shape)).astype(np.float32)
    cameras, size = pinhole(2, shape), (33, 21)
    silhouette, argmax = (
        device.download(a) for a in voxel_perspective(device.upload(grid), device.upload(cameras), size)
    )
    compared = 0
    for b, row, column in np.ndindex(2, 21, 33):
        value, index, closest = walk_ray(grid[b], cameras[b], column, row)
        if closest > 1e-4:  # a ray along a border may take either voxel in float32
            assert (silhouette[b, row, column], argmax[b, row, column]) == (pytest.approx(value), index)
            compared += 1
    assert compared > 0.9 * 2 * 21 * 33
    for found, expected in zip((silhouette, argmax), cpu_perspective(grid, cameras, size), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_nothing_behind_the_camera(device):
    grid = np.ones((1, 4, 5, 6), np.float32)
    silhouette, argmax = voxel_perspective(
        device.upload(grid), device.upload(pinhole(1, grid.shape[1:], distance=-1.0)), (20, 20)
    )
    assert not device.download(silhouette).any() and (device.download(argmax) == -1).all()


def test_perspective_gradient_by_finite_differences(device):
    shape = (3, 4, 5)
    rng = np.random.default_rng(3)
    grid = rng.permutation(60).reshape(1, *shape).astype(np.float32)
    cameras, size = pinhole(1, shape), (30, 20)
    weights = rng.normal(size=(1, 20, 30)).astype(np.float32)
    _, argmax = voxel_perspective(device.upload(grid), device.upload(cameras), size)
    grad = device.download(voxel_perspective_backward(device.upload(weights), argmax, shape))

    def loss(o):
        return (cpu_perspective(o, cameras, size)[0].astype(float) * weights).sum()

    assert np.abs(grad).sum() > 0
    for index in np.ndindex(1, *shape):
        step = np.zeros((1, *shape), np.float32)
        step[index] = 0.25
        assert grad[index] == pytest.approx((loss(grid + step) - loss(grid - step)) / 0.5, abs=1e-4)


def test_an_empty_batch_is_no_error(device):
    found = project(device, np.zeros((0, 2, 3, 4), np.float32))
    assert device.download(found.front).shape == (0, 3, 4)


def test_refusals_say_what_is_wrong(device):
    with pytest.raises(TypeError, match=r"device.upload"):
        voxel_project(np.zeros((1, 2, 2, 2), np.float32))
    with pytest.raises(TypeError, match="must be float32, got float64"):
        project(device, np.zeros((1, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"shape \(B, D, H, W\), got \(2, 2\)"):
        project(device, np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match="W <= 512"):
        project(device, np.zeros((1, 1, 1, 513), np.float32))
    found = project(device, np.zeros((1, 2, 3, 4), np.float32))
    with pytest.raises(ValueError, match="grad_side"):
        voxel_project_backward(found.front, found.front, found)
