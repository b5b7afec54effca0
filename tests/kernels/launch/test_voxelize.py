"""Voxelised solids against half-spaces in float64 and, bit for bit, against the CPU path."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from engines.body import load_body
from kernels.launch.voxelize import voxelize
from kernels.voxelize import voxelize as cpu_voxelize


def on_device(device, vertices, faces, **grid):
    vertices = np.asarray(vertices, np.float32)
    vertices = vertices.reshape(-1, *vertices.shape[-2:])
    found = voxelize(device.upload(vertices), device.upload(np.asarray(faces, np.int32)), **grid)
    return device.download(found)


@pytest.mark.parametrize("shape", [(1, 1, 1), (31, 8, 4), (33, 7, 9), (64, 16, 16)])
def test_convex_solids_against_their_half_spaces(device, shape):
    points = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    hull = ConvexHull(points.astype(float))
    origin, size = np.array([-1.1, -0.9, -1.3]), 2.4 / max(shape)
    k, j, i = np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij")
    centres = origin + np.stack([i, j, k], axis=-1) * size
    distance = (centres @ hull.equations[:, :3].T + hull.equations[:, 3]).max(axis=-1)
    found = on_device(device, points, hull.simplices, origin=origin, voxel_size=size, shape=shape)[0]
    sure = np.abs(distance) > 1e-9
    np.testing.assert_array_equal(found[sure], (distance < 0)[sure])


def test_a_batch_of_bodies_equals_the_cpu_path(device):
    """Posed bodies, each with a grid of its own, that pass through themselves and reach beyond the grid."""
    body = load_body()
    rng = np.random.default_rng(1)
    pose = rng.normal(size=(2, 24, 3)) * 0.3
    vertices = body.forward(pose, np.zeros((2, 10)), np.zeros((2, 3)), level=2).vertices
    origin = vertices.min(axis=1) + np.array([[0.1], [-0.05]])
    size, shape = np.array([0.05, 0.041]), (40, 37, 22)
    found = on_device(device, vertices, body.faces[2], origin=origin, voxel_size=size, shape=shape)
    for b in range(2):
        expected = cpu_voxelize(vertices[b], body.faces[2], origin=origin[b], voxel_size=size[b], shape=shape)
        assert expected.any()
        np.testing.assert_array_equal(found[b], expected)


def test_rays_through_edges_and_corners_are_counted_once(device):
    corners = np.array([[x, y, z] for x in (0, 4) for y in (0, 4) for z in (0, 4)], np.float32)
    faces = ConvexHull(corners.astype(float)).simplices
    found = on_device(device, corners, faces, origin=np.full(3, -2.5), voxel_size=1.0, shape=(9, 9, 9))[0]
    assert found.sum() == 4**3
    assert found.any(axis=(1, 2)).sum() == found.any(axis=(0, 2)).sum() == found.any(axis=(0, 1)).sum() == 4


def test_rays_that_rounding_puts_beside_an_edge_leave_no_streaks(device):
    """Edges run through centres of voxels but for the last digit: both their triangles must err to the same side."""
    rng = np.random.default_rng(2)
    x, y = (a.ravel() for a in np.meshgrid(*[np.arange(-2, 2.5, 0.5)] * 2))
    points = np.stack([x, y, x**2 + y**2 + 0.1 * rng.random(len(x))], axis=1).astype(np.float32)
    faces = rng.permuted(ConvexHull(points.astype(float)).simplices, axis=1)  # seen from either end
    grid = {"origin": np.array([-2.55, -2.55, -0.5]), "voxel_size": 0.1, "shape": (96, 51, 51)}
    found = on_device(device, points, faces, **grid)[0]
    assert found.sum() > 20_000
    assert not found[0].any() and not found[-1].any()
    # Convex: a ray enters and leaves once.
    assert (np.abs(np.diff(found.astype(int), axis=0)).sum(axis=0) <= 2).all()


@pytest.mark.parametrize("far", [10.0, 1e30])
def test_a_mesh_elsewhere_or_without_faces_leaves_the_grid_empty(device, far):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    faces = ConvexHull(corners.astype(float)).simplices
    grid = {"origin": np.zeros(3), "voxel_size": 0.1, "shape": (5, 6, 7)}
    assert not on_device(device, corners * far + far * np.float32(1.5), faces, **grid).any()
    assert not on_device(device, corners - np.float32(far), faces, **grid).any()
    assert not on_device(device, corners, np.zeros((0, 3)), **grid).any()


def test_a_mesh_above_and_below_fills_the_whole_column(device):
    corners = np.array([[x, y, z] for x in (-9, 9) for y in (-9, 9) for z in (-9, 9)], np.float32)
    faces = ConvexHull(corners.astype(float)).simplices
    assert on_device(device, corners, faces, origin=np.zeros(3), voxel_size=0.1, shape=(40, 5, 6)).all()


def test_refusals(device):
    vertices, faces = device.upload(np.zeros((1, 3, 3), np.float32)), device.upload(np.zeros((1, 3), np.int32))
    with pytest.raises(ValueError, match="voxel_size positive"):
        voxelize(vertices, faces, origin=np.zeros(3), voxel_size=0.0, shape=(2, 2, 2))
    with pytest.raises(TypeError, match="faces must be int32"):
        voxelize(vertices, device.upload(np.zeros((1, 3))), origin=np.zeros(3), voxel_size=1.0, shape=(2, 2, 2))
