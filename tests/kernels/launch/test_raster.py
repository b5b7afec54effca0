"""Pictures of meshes: a sphere against its formula, triangles against float64 half-planes, the CPU path bit for bit."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from kernels.launch.raster import raster
from kernels.raster import Pictures
from kernels.raster import raster as cpu_raster

CAMERAS = np.array([[50.0, 55.0, 20.3, 14.8], [70.0, 60.0, 18.0, 16.0]], np.float32)


def draw(device, vertices, faces, cameras, size):
    """On the device; the CPU path must agree bit for bit but for the last digits of the normals."""
    faces = np.asarray(faces, np.int32)
    on_device = raster(*(device.upload(a) for a in (vertices, faces, cameras)), size)
    found = Pictures(*(device.download(a) for a in (on_device.depth, on_device.silhouette, on_device.normals)))
    expected = cpu_raster(vertices, faces, cameras, size)
    np.testing.assert_array_equal(found.depth, expected.depth)
    np.testing.assert_array_equal(found.silhouette, expected.silhouette)
    np.testing.assert_allclose(found.normals, expected.normals, atol=2e-4)
    return found


def sphere(count, radius, centre):
    i = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * i / count), np.pi * (1 + 5**0.5) * i
    unit = np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=1)
    hull = ConvexHull(unit)
    faces = hull.simplices.copy()
    a, b, c = (unit[faces[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return (unit * radius + centre).astype(np.float32), faces


def rays(camera, size):
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    fx, fy, cx, cy = camera.astype(float)
    return np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1)


def test_spheres_against_their_formula(device):
    centres, radius, size = np.array([[0.05, -0.1, 3.0], [0.3, 0.2, 2.5]]), 0.6, (41, 30)
    meshes = [sphere(1500, radius, centre) for centre in centres]
    found = draw(device, np.stack([mesh for mesh, _ in meshes]), meshes[0][1], CAMERAS, size)
    for b in range(2):
        direction = rays(CAMERAS[b], size)
        squared, along = (direction**2).sum(-1), direction @ centres[b]
        room = along**2 - squared * (centres[b] @ centres[b] - radius**2)
        depth = (along - np.sqrt(np.maximum(room, 0))) / squared
        well_inside, outside = room > 0.1, room < 0
        assert well_inside.sum() > 200
        assert found.silhouette[b][well_inside].all() and not found.silhouette[b][outside].any()
        np.testing.assert_allclose(found.depth[b][well_inside], depth[well_inside], atol=5e-3)
        assert np.isinf(found.depth[b][outside]).all() and not found.normals[b][outside].any()
        normal = (direction * depth[..., None] - centres[b]) / radius
        assert (found.normals[b] * normal).sum(-1)[well_inside].min() > 0.99


def test_a_fan_of_triangles_has_no_cracks_and_no_double_pixels(device):
    """Triangles around a point, all in one plane: drawn one by one, they cover each pixel of the disc exactly once."""
    rim = np.array([[np.cos(t), np.sin(t), 0] for t in np.linspace(0, 2 * np.pi, 13)[:-1]])
    vertices = (np.concatenate([[[0, 0, 0]], rim]) * 0.6 + [0.0, 0.0, 2.0]).astype(np.float32)[None]
    faces = np.array([[0, 1 + (i + 1) % 12, 1 + i] for i in range(12)])
    camera, size = np.array([[32.0, 32.0, 20.5, 15.5]], np.float32), (41, 31)  # the middle is a pixel's centre
    whole = draw(device, vertices, faces, camera, size).silhouette[0]
    alone = sum(draw(device, vertices, faces[i : i + 1], camera, size).silhouette[0].astype(int) for i in range(12))
    np.testing.assert_array_equal(alone, whole)
    assert whole.sum() > 250


def test_the_nearer_face_wins_whatever_the_order(device):
    near, far = (
        np.array([[-1, -1, 1.5], [1, -1, 1.5], [0, 1, 1.5]]),
        np.array([[-2, -2, 3.0], [2, -2, 3.0], [0, 3, 3.0]]),
    )
    vertices = np.concatenate([far, near]).astype(np.float32)[None]
    camera, size = np.array([[10.0, 10.0, 10.0, 10.0]], np.float32), (20, 20)
    for faces in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        depth = draw(device, vertices, np.array(faces), camera, size).depth[0]
        assert set(np.unique(depth)) == {np.float32(1.5), np.float32(3.0), np.float32(np.inf)}
        assert depth[9, 9] == np.float32(1.5)


def test_what_cannot_be_seen_is_not_drawn(device):
    faces, size = np.array([[0, 1, 2]]), (13, 7)
    for shift in ([0, 0, -5], [0, 0, -1.97], [1e6, 0, 0], [0, -1e30, 0]):
        vertices = (np.array([[[-1, -1, 2], [1, -1, 2], [0, 1, 2]]]) + shift).astype(np.float32)
        assert not draw(device, vertices, faces, CAMERAS[:1], size).silhouette.any()
    assert not draw(device, vertices, np.zeros((0, 3)), CAMERAS[:1], size).silhouette.any()


def test_one_face_that_covers_everything(device):
    vertices = np.array([[[-1e4, -1e4, 1], [1e4, -1e4, 1], [0, 1e4, 1]]], np.float32)
    found = draw(device, vertices, np.array([[0, 1, 2]]), CAMERAS[:1], (257, 3))
    assert found.silhouette.all() and (found.depth == 1).all()
    np.testing.assert_allclose(found.normals, np.broadcast_to([0, 0, 1], found.normals.shape), atol=1e-6)


def test_refusals(device):
    with pytest.raises(ValueError, match=r"cameras must have shape \(1, 4\)"):
        draw(device, np.zeros((1, 3, 3), np.float32), [[0, 1, 2]], CAMERAS, (4, 4))
    with pytest.raises(ValueError, match="at least one pixel"):
        draw(device, np.zeros((1, 3, 3), np.float32), [[0, 1, 2]], CAMERAS[:1], (0, 4))
