"""The virtual camera of a crop against projection by hand."""

import numpy as np
import pytest

from engines.camera import Intrinsics
from engines.methods.virtual_camera import VirtualCamera

CAMERA = Intrinsics(fx=900, fy=880, cx=640, cy=350)


def view(center=(1100.0, 130.0), side=260.0):
    return VirtualCamera.of_crops([CAMERA], np.array([center]), np.array([side]))


def test_rotation_is_the_smallest_that_centres_the_crop():
    turned = view()
    rotation = turned.R_virtual_source[0].astype(np.float64)
    ray = np.array(((1100 - 640) / 900, (130 - 350) / 880, 1.0))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(rotation) > 0
    np.testing.assert_allclose(rotation @ ray / np.linalg.norm(ray), (0, 0, 1), atol=1e-6)
    angle = np.arccos((np.trace(rotation) - 1) / 2)
    assert angle == pytest.approx(np.arccos(1 / np.linalg.norm(ray)), abs=1e-5)


def test_crop_units_are_those_of_a_camera_that_looks_at_the_crop():
    turned = view()
    cloud = np.array([[1.7, -0.9, 3.6], [1.9, -0.4, 4.0], [1.6, -1.1, 3.3]])
    inside = cloud @ turned.R_virtual_source[0].astype(np.float64).T
    expected = inside[:, :2] / inside[:, 2:] / turned.half_tan[0]
    np.testing.assert_allclose(turned.to_crop(CAMERA.project(cloud)[None])[0], expected, atol=1e-5)
    np.testing.assert_allclose(turned.to_source(inside[None])[0], cloud, atol=1e-5)


def test_edges_lie_at_one():
    centred = view(center=(640.0, 350.0), side=300.0)
    edges = np.array([[[790.0, 350.0], [490.0, 350.0], [640.0, 200.0], [640.0, 500.0]]])
    np.testing.assert_allclose(np.abs(centred.to_crop(edges)).max(-1), 1, atol=0.03)


@pytest.mark.parametrize("side", [0.0, -3.0, float("nan")])
def test_empty_crops_are_refused(side):
    with pytest.raises(ValueError, match="sides must be positive"):
        view(side=side)
