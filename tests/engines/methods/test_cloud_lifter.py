"""From points through a cloud to a body: perfect networks must give back the body that made the points."""

import numpy as np

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from engines.methods.cloud_lifter import CloudLifter, weak_perspective
from engines.methods.evidence import CropRequest, Evidence
from engines.methods.virtual_camera import VirtualCamera
from engines.runtime.engine import TensorSpec

CAMERA = Intrinsics(fx=1000, fy=1000, cx=960, cy=540)
PLACES = np.array([[1.5, 0.2, 3.0], [-0.3, -0.1, 4.8]], np.float32)


class Oracle:
    """Stands where a network would and knows the answer; notes what it was given."""

    def __init__(self, *inputs: str, **answer: np.ndarray) -> None:
        self.inputs = tuple(TensorSpec(name, (None,), np.dtype(np.float32)) for name in inputs)
        self.answer, self.given = answer, {}

    def __call__(self, inputs):
        self.given = inputs
        return self.answer


def test_perfect_networks_give_back_the_bodies():
    body, rng = load_body(), np.random.default_rng(2)
    pose = rng.normal(0, 0.3, (2, 24, 3)).astype(np.float32)
    pose[:, 0] += (np.pi, 0, 0)
    betas = rng.normal(0, 1, (2, 10)).astype(np.float32)
    posed = body.forward(pose, betas, PLACES)
    cloud = np.concatenate((body.coco(posed.vertices), posed.joints), 1)
    pixels = CAMERA.project(cloud)
    low, high = pixels.min(1), pixels.max(1)
    centers, sides = (low + high) / 2, 1.2 * (high - low).max(-1)
    view = VirtualCamera.of_crops([CAMERA] * 2, centers, sides).R_virtual_source
    relative = ((cloud - PLACES[:, None]) @ view.transpose(0, 2, 1)).astype(np.float32)
    rotations = rotation_matrices(pose)
    rotations[:, 0] = view @ rotations[:, 0]
    first = Oracle("points", "camera", cloud=relative)
    second = Oracle(
        rotations=rotations, betas=betas, gender=betas[:, :1], landmarks=relative[:, :17], joints=relative[:, 17:]
    )
    points = np.concatenate((pixels, np.ones((2, 41, 1))), -1).astype(np.float32)
    evidence = Evidence(
        points_px=points, depth_m=relative[..., 2], person=None, features=None, crops=np.zeros((2, 1, 1, 3), np.uint8),
        outputs={},
    )  # fmt: skip
    image = np.zeros((1080, 1920, 3), np.uint8)
    requests = [
        CropRequest(image=image, center_px=centers[row], side_px=float(sides[row]), intrinsics=CAMERA) for row in (0, 1)
    ]
    found = CloudLifter(first, second, body)(evidence, requests)
    np.testing.assert_allclose(found.translation, PLACES, atol=0.03)
    np.testing.assert_allclose(found.joints - found.translation[:, None], posed.joints - PLACES[:, None], atol=1e-4)
    np.testing.assert_array_equal(second.given["cloud"], relative)
    np.testing.assert_allclose(first.given["points"][..., 3], relative[..., 2])


def test_weak_perspective_finds_scale_and_place_and_survives_nothing():
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.4, (2, 41, 3))
    image = (points[..., :2] + (0.3, -0.2)) / 1.7
    weights = np.ones((2, 41))
    image[0, 3], weights[0, 3] = 50.0, 0.0
    found = weak_perspective(points, image, weights)
    np.testing.assert_allclose(np.exp(found[:, 0]), 1.7, rtol=1e-3)
    np.testing.assert_allclose(found[:, 1:], np.tile((0.3 / 1.7, -0.2 / 1.7), (2, 1)), atol=1e-3)
    np.testing.assert_allclose(weak_perspective(points, image, 0 * weights), 0, atol=1e-6)
