"""What surrounds the lifting network on a device, against the numpy functions of the method."""

import numpy as np
import pytest

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.methods.bilayer import MIN_CONFIDENCE, OPENING, finish, prepare
from engines.methods.bodies import Bodies
from engines.methods.device_views import crop_views
from kernels.launch.lift import lift_finish, lift_prepare


def scene(count, seed=0):
    """Crops anywhere in a picture, points in and around them, some of them missing or unsure."""
    rng = np.random.default_rng(seed)
    intrinsics = [Intrinsics(fx=900 + 50 * i, fy=880.0, cx=640.0, cy=355.0) for i in range(count)]
    centers = rng.uniform((100, 100), (1200, 650), (count, 2))
    sides = rng.uniform(60, 700, count)
    points = np.concatenate([rng.uniform(-10, 170, (count, 41, 2)), rng.uniform(0, 1.1, (count, 41, 1))], 2)
    points = points.astype(np.float32)
    depth = rng.normal(0, 0.3, (count, 41)).astype(np.float32)
    if count:
        points[0, 3] = np.nan
        depth[0, 5:9] = np.nan
        points[-1, :, 2] = 0  # nobody there: the network's guess must come back
    return points, depth, intrinsics, centers, sides


def run(device, points, depth, intrinsics, centers, sides, outputs=None):
    count = len(points)
    views = device.upload(crop_views(intrinsics, centers, sides, 160))
    inputs, camera = device.empty((count, 41, 5), np.float32), device.empty((count, 1), np.float32)
    there = device.upload(points), device.upload(depth)
    lift_prepare(*there, views, inputs, camera, min_confidence=MIN_CONFIDENCE, opening=OPENING)
    if outputs is None:
        return device.download(inputs), device.download(camera)
    pose, translation = device.empty((count, 24, 3), np.float32), device.empty((count, 3), np.float32)
    lift_finish({name: device.upload(a) for name, a in outputs.items()}, inputs, views, pose, translation)
    return device.download(pose), device.download(translation)


def in_source(points, centers, sides):
    pixels = points.copy()
    pixels[..., :2] = centers[:, None] + (points[..., :2] / 160 - 0.5) * sides[:, None, None]
    return pixels


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_prepare(device, count):
    points, depth, intrinsics, centers, sides = scene(count)
    inputs, camera = run(device, points, depth, intrinsics, centers, sides)
    if not count:
        assert inputs.shape == (0, 41, 5)
        return
    wanted = prepare(in_source(points, centers, sides), depth, intrinsics, centers, sides).inputs
    # Crop units, float32 against float64: about a millionth of the source picture over the smallest crop.
    np.testing.assert_allclose(inputs, wanted["points"], atol=2e-4)
    np.testing.assert_allclose(camera, wanted["camera"], atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_finish(device, count):
    points, depth, intrinsics, centers, sides = scene(count, seed=1)
    rng = np.random.default_rng(2)
    vectors = rng.normal(0, 1.2, (count, 24, 3))
    vectors[:, 1] = 0
    vectors[:, 2] *= 1e-5
    vectors[:, 3] *= 3.1415 / np.linalg.norm(vectors[:, 3], axis=-1, keepdims=True)
    outputs = {
        "rotations": rotation_matrices(vectors).astype(np.float32),
        "betas": rng.normal(size=(count, 10)).astype(np.float32),
        "placement": rng.normal((1.0, 0, 0), 0.2, (count, 3)).astype(np.float32),
        "landmarks": rng.normal(0, 0.4, (count, 17, 3)).astype(np.float32),
        "joints": rng.normal(0, 0.4, (count, 24, 3)).astype(np.float32),
    }
    pose, translation = run(device, points, depth, intrinsics, centers, sides, outputs)
    prepared = prepare(in_source(points, centers, sides), depth, intrinsics, centers, sides)
    wanted = Bodies.of(load_body(), *finish(outputs, prepared))
    np.testing.assert_allclose(translation, wanted.translation, rtol=2e-4, atol=2e-4)
    # Half a turn has two rotation vectors: compare what they do.
    np.testing.assert_allclose(rotation_matrices(pose), rotation_matrices(wanted.pose), atol=2e-5)
    assert np.linalg.norm(pose, axis=-1).max() <= np.pi + 1e-5


def test_refusals(device):
    points, depth, intrinsics, centers, sides = scene(2)
    with pytest.raises(ValueError, match=r"depth must have shape \(2, 41\)"):
        run(device, points, depth[:1], intrinsics, centers, sides)
    with pytest.raises(TypeError, match="points must be float32"):
        run(device, points.astype(np.float64), depth, intrinsics, centers, sides)
