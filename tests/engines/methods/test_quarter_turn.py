"""Turned pictures: a pixel of a person stays on that person, and bodies come back as they were."""

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate, Surface
from engines.methods import CropRequest
from engines.methods.quarter_turn import turned_back, turned_request
from engines.turned_picture import turned_picture

CAMERA = Intrinsics(fx=300, fy=310, cx=45, cy=32)


def request_at(x: float, y: float, image: np.ndarray) -> CropRequest:
    return CropRequest(image=image, center_px=np.array([x, y]), side_px=20.0, intrinsics=CAMERA)


@pytest.mark.parametrize("turns", range(4))
def test_the_square_stays_on_its_pixels(turns):
    image = np.zeros((60, 90, 3), np.uint8)
    image[17, 71] = 200  # centre of that pixel: (71.5, 17.5)
    picture = turned_picture(image, turns)
    turned = turned_request(request_at(71.5, 17.5, image), picture, turns)
    x, y = (turned.center_px - 0.5).astype(int)
    assert picture[y, x, 0] == 200 and turned.image is picture


@pytest.mark.parametrize("turns", range(4))
def test_a_body_seen_in_the_turned_picture_is_the_body(turns):
    """Project in the turned camera, turn back, and find the same pixels and joints as without any turn."""
    body, rng = load_body(), np.random.default_rng(turns)
    pose, betas = rng.normal(0, 0.4, (1, 24, 3)).astype(np.float32), rng.normal(0, 1, (1, 10)).astype(np.float32)
    place = np.array([[0.2, -0.1, 4.0]], np.float32)
    joints = body.forward(pose, betas, place).joints[0]
    image = np.zeros((60, 90, 3), np.uint8)
    turned = turned_request(request_at(45, 30, image), turned_picture(image, turns), turns)
    points = np.zeros((41, 3), np.float32)
    points[:24, :2] = turned.intrinsics.project(joints)
    vertices = joints[:3].copy()
    seen = BodyEstimate(
        pose=pose[0],
        betas=betas[0],
        translation=place[0],
        joints=joints,
        points_px=points,
        score=1,
        quality=1,
        surface=Surface(vertices=vertices, faces=np.zeros((1, 3), np.int32)),
    )
    back = turned_back(seen, (90, 60), turns)
    assert np.abs(back.points_px[:24, :2] - CAMERA.project(back.joints)).max() < 1e-3
    again = body.forward(back.pose[None], back.betas[None], back.translation[None]).joints[0]
    assert np.abs(again - back.joints).max() < 1e-5
    assert back.surface is not None and np.allclose(back.surface.vertices, back.joints[:3], atol=1e-6)
    if turns:
        assert np.abs(back.joints - joints).max() > 0.1
