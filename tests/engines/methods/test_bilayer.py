"""The method's arithmetic: a perfect network must give back the body that made the points."""

import numpy as np
import pytest

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.methods.bilayer import BilayerLifter, finish, prepare
from engines.methods.bodies import Bodies

CAMERAS = [Intrinsics(fx=1000, fy=1000, cx=960, cy=540), Intrinsics(fx=700, fy=720, cx=300, cy=400)]
PLACES = np.array([[1.5, 0.2, 3.0], [-0.3, -0.1, 1.8]], np.float32)


@pytest.fixture(scope="module")
def scene():
    """Two posed bodies, their image points and crops."""
    body = load_body()
    rng = np.random.default_rng(2)
    pose = rng.normal(0, 0.3, (2, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)
    betas = rng.normal(0, 1, (2, 10)).astype(np.float32)
    posed = body.forward(pose, betas, PLACES)
    cloud = np.concatenate((body.coco(posed.vertices), posed.joints), 1)
    pixels = np.stack([camera.project(points) for camera, points in zip(CAMERAS, cloud, strict=True)])
    low, high = pixels.min(1), pixels.max(1)
    points = np.concatenate((pixels, np.ones((2, 41, 1))), -1).astype(np.float32)
    return body, pose, betas, posed, cloud, points, (low + high) / 2, 1.2 * (high - low).max(-1)


def test_a_perfect_network_gives_back_the_body(scene):
    body, pose, betas, posed, cloud, points, centers, sides = scene
    prepared = prepare(points, None, CAMERAS, centers, sides)
    turn = prepared.view.R_virtual_source
    rotations = rotation_matrices(pose)
    rotations[:, 0] = turn @ rotations[:, 0]
    relative = (cloud - PLACES[:, None]) @ turn.transpose(0, 2, 1)
    place = (turn @ PLACES[..., None])[..., 0]
    scale = place[:, 2:] * prepared.view.half_tan[:, None]
    # The network is 10 % wrong about the distance; the points know better.
    placement = np.concatenate((np.log(1.1 * scale), place[:, :2] / scale), 1)
    outputs = {
        "rotations": rotations, "betas": betas, "placement": placement,
        "landmarks": relative[:, :17], "joints": relative[:, 17:],
    }  # fmt: skip
    found = Bodies.of(body, *finish(outputs, prepared))
    np.testing.assert_allclose(found.translation, PLACES, atol=0.05)
    np.testing.assert_allclose(found.joints - found.translation[:, None], posed.joints - PLACES[:, None], atol=1e-4)
    again = body.joints(found.pose, found.betas, found.translation)
    np.testing.assert_allclose(again, found.joints, atol=1e-4)


def test_missing_points_leave_nothing_behind(scene):
    *_, points, centers, sides = scene
    broken = points.copy()
    broken[0, 3] = np.nan
    broken[1, 20, 2] = 0.0
    depth = np.full((2, 41), 0.1, np.float32)
    depth[0, 8] = np.nan
    inputs = prepare(broken, depth, CAMERAS, centers, sides).inputs["points"]
    assert np.isfinite(inputs).all()
    assert not inputs[0, 3].any() and not inputs[1, 20].any()
    assert inputs[0, 8, 2] == 1 and not inputs[0, 8, 3:].any()
    assert inputs[0, 9, 4] == 1


def test_landmarks_alone_are_enough(scene):
    *_, points, centers, sides = scene
    whole = prepare(points, None, CAMERAS, centers, sides).inputs["points"]
    alone = prepare(points[:, :17], None, CAMERAS, centers, sides).inputs["points"]
    np.testing.assert_array_equal(alone[:, :17], whole[:, :17])
    assert not alone[:, 17:].any()


def test_wrong_shapes_are_refused(scene):
    *_, points, centers, sides = scene
    with pytest.raises(ValueError, match="points_px has shape"):
        prepare(points[:, :20], None, CAMERAS, centers, sides)
    with pytest.raises(ValueError, match="depth_m has shape"):
        prepare(points, np.zeros((2, 17)), CAMERAS, centers, sides)


def test_no_crops_no_bodies(scene):
    body = scene[0]

    class Unused:
        inputs = ()

    found = BilayerLifter(Unused(), body).lift(np.zeros((0, 41, 3)), None, [], np.zeros((0, 2)), np.zeros(0))  # type: ignore[arg-type]
    assert found.pose.shape == (0, 24, 3) and found.betas.shape == (0, 10) and found.translation.shape == (0, 3)
