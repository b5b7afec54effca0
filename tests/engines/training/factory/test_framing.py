"""Cameras look the way their angles say; placed people are where their framing wants them."""

import numpy as np
import pytest

from engines.body import load_body
from engines.keypoints import NUM_COCO
from engines.training.factory.cropview import inside
from engines.training.factory.framing import camera_rotation, draw_camera, place, yaw_rotation
from engines.training.factory.poses import turned


def test_level_camera_sees_a_facing_person_upright_and_unmirrored():
    body = load_body()
    pose = np.zeros((24, 3), np.float32)
    pose[0] = turned(pose[0], camera_rotation(0, 0) @ yaw_rotation(0))
    posed = body.forward(pose, np.zeros(10), np.array([0, 0, 3]))
    landmarks = body.coco(posed.vertices)[0]
    nose, left_shoulder, right_shoulder, left_ankle = landmarks[[0, 5, 6, 15]]
    assert nose[2] < 3, "the face is towards the camera"
    assert left_shoulder[0] > right_shoulder[0], "the person's left is on the right of the picture"
    assert nose[1] < left_shoulder[1] < left_ankle[1], "y points down"


@pytest.mark.parametrize(("pitch", "sign"), [(0.5, 1), (-0.5, -1)])
def test_pitch_looks_down(pitch, sign):
    ahead = camera_rotation(pitch, 0) @ np.array([0, 0, -1.0])  # the level direction
    assert ahead[2] > 0
    assert ahead[1] * sign < 0, "looking down, what is level with the camera is above the middle"


def test_rotations_are_proper():
    rng = np.random.default_rng(0)
    for pitch, roll, yaw in rng.uniform(-3, 3, (20, 3)):
        r = camera_rotation(pitch, roll) @ yaw_rotation(yaw)
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(r) == pytest.approx(1)


@pytest.mark.parametrize("framing", ["whole", "cut", "webcam"])
def test_placed_points_obey_the_framing(framing):
    rng = np.random.default_rng(3)
    body = load_body()
    placed = 0
    for _ in range(25):
        camera = draw_camera(framing, rng)
        pose = np.zeros((24, 3), np.float32)
        pose[0] = turned(pose[0], camera.rotation @ yaw_rotation(rng.normal(0, 0.5)))
        posed = body.forward(pose, np.zeros(10), np.zeros(3))
        points = np.concatenate([body.coco(posed.vertices)[0], posed.joints[0]])
        translation = place(points, camera, framing, rng)
        if translation is None:
            continue
        placed += 1
        seen = inside(camera.intrinsics.project(points + translation), camera.size)
        assert (points + translation)[:, 2].min() >= 0.2
        assert seen.all() if framing == "whole" else seen[:NUM_COCO].sum() >= 7
        assert framing != "cut" or not seen[:NUM_COCO].all()
    assert placed >= 5
