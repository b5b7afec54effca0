"""Silhouettes against loops and finite differences; voxelised solids against their formulas."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from engines.body import load_body
from kernels.voxel_project import voxel_project, voxel_project_backward
from kernels.voxelize import voxelize


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (1, 7, 2, 9)])
def test_projection_is_the_largest_along_each_ray(shape):
    occupancy = np.random.default_rng(0).random(shape).astype("f4")
    result = voxel_project(occupancy)
    batch, depth, height, width = shape
    for b in range(batch):
        for h in range(height):
            assert [max(occupancy[b, :, h, w]) for w in range(width)] == list(result.front[b, h])
            assert [max(occupancy[b, d, h, :]) for d in range(depth)] == list(result.side[b, h])


def test_gradient_by_finite_differences():
    rng = np.random.default_rng(1)
    occupancy = rng.permutation(2 * 3 * 4 * 3).reshape(2, 3, 4, 3) / 10.0
    weights_front, weights_side = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3))

    def loss(o):
        s = voxel_project(o)
        return (s.front * weights_front).sum() + (s.side * weights_side).sum()

    grad = voxel_project_backward(weights_front, weights_side, voxel_project(occupancy))
    for index in np.ndindex(occupancy.shape):
        step = np.zeros_like(occupancy)
        step[index] = 1e-3
        assert grad[index] == pytest.approx((loss(occupancy + step) - loss(occupancy - step)) / 2e-3, abs=1e-6)


def test_equal_voxels_share_no_gradient():
    """An empty grid sends each ray's gradient to its first voxel, once."""
    silhouettes = voxel_project(np.zeros((1, 2, 3, 4), "f4"))
    grad = voxel_project_backward(np.ones((1, 3, 4), "f4"), np.ones((1, 3, 2), "f4"), silhouettes)
    assert grad.sum() == 3 * 4 + 3 * 2
    assert (grad[0, 0] == [[2, 1, 1, 1]] * 3).all() and (grad[0, 1] == [[1, 0, 0, 0]] * 3).all()


def test_projection_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"got shape \(2, 3, 4\)"):
        voxel_project(np.zeros((2, 3, 4)))
    silhouettes = voxel_project(np.zeros((1, 2, 3, 4)))
    with pytest.raises(ValueError, match="grad_side"):
        voxel_project_backward(np.zeros((1, 3, 4)), np.zeros((1, 2, 3)), silhouettes)


def centres(origin, voxel_size, shape):
    k, j, i = np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij")
    return np.asarray(origin) + np.stack([i, j, k], axis=-1) * voxel_size


def polyhedron(seed, count=30):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return points, ConvexHull(points)


@pytest.mark.parametrize("seed", range(4))
def test_convex_solids(seed):
    points, hull = polyhedron(seed)
    origin, voxel_size, shape = np.array([-2.1, -1.4, -2.6]), 0.17, (30, 22, 25)
    inside = (centres(origin, voxel_size, shape) @ hull.equations[:, :3].T + hull.equations[:, 3] < 0).all(axis=-1)
    occupancy = voxelize(points, hull.simplices, origin=origin, voxel_size=voxel_size, shape=shape)
    assert inside.any()
    np.testing.assert_array_equal(occupancy, inside)


def torus(count=48):
    u, v = np.meshgrid(*[np.arange(count) * 2 * np.pi / count] * 2, indexing="ij")
    ring = 1 + 0.4 * np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), 0.4 * np.sin(v)], axis=-1).reshape(-1, 3)
    i, j = (a.ravel() for a in np.meshgrid(np.arange(count), np.arange(count), indexing="ij"))
    a, b = i * count + j, (i + 1) % count * count + j
    c, d = (i + 1) % count * count + (j + 1) % count, i * count + (j + 1) % count
    return points, np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)])


@pytest.mark.parametrize("turn", [(0, 0, 0), (0.5, 0.3, 0), (1.2, -0.7, 2.0)])
def test_a_solid_with_a_hole(turn):
    points, faces = torus()
    rotation = Rotation.from_rotvec(turn)
    grid = {"origin": np.full(3, -1.5), "voxel_size": 0.1, "shape": (30, 30, 30)}
    occupancy = voxelize(rotation.apply(points), faces, **grid)
    p = rotation.inv().apply(centres(**grid).reshape(-1, 3)).reshape(30, 30, 30, 3)
    distance = np.hypot(np.hypot(p[..., 0], p[..., 1]) - 1, p[..., 2])
    # The mesh lies within 2 mm of the torus.
    sure = np.abs(distance - 0.4) > 0.005
    np.testing.assert_array_equal(occupancy[sure], (distance < 0.4)[sure])


def test_rays_through_edges_and_corners_are_counted_once():
    """A box whose faces' edges and diagonals lie on the rays themselves; half-open, so its volume is exact."""
    corners = np.array([[x, y, z] for x in (0, 4) for y in (0, 4) for z in (0, 4)], float)
    hull = ConvexHull(corners)
    occupancy = voxelize(corners, hull.simplices, origin=np.full(3, -2.5), voxel_size=1.0, shape=(9, 9, 9))
    assert occupancy.sum() == 4**3
    assert occupancy.any(axis=(1, 2)).sum() == occupancy.any(axis=(0, 2)).sum() == occupancy.any(axis=(0, 1)).sum() == 4


def test_a_grid_that_cuts_the_solid_sees_its_part():
    points, hull = polyhedron(5)
    whole = voxelize(points, hull.simplices, origin=np.full(3, -3.0), voxel_size=0.2, shape=(30, 30, 30))
    part = voxelize(points, hull.simplices, origin=np.array([-1.0, -0.6, -0.2]), voxel_size=0.2, shape=(5, 6, 7))
    np.testing.assert_array_equal(part, whole[14:19, 12:18, 10:17])


def test_a_body_has_its_volume_and_no_streaks():
    body = load_body()
    level = len(body.level_sizes) - 2
    rng = np.random.default_rng(0)
    posed = body.forward(rng.normal(size=(24, 3)) * 0.15, np.zeros(10), np.zeros(3), level=level).vertices[0]
    faces, size = body.faces[level], 0.02
    a, b, c = (posed[faces[:, k]].astype(float) for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    grids = [
        voxelize(posed[:, axes], faces, origin=posed.min(axis=0)[axes] - 0.05, voxel_size=size, shape=(128, 128, 128))
        for axes in ([0, 1, 2], [2, 1, 0])
    ]
    assert grids[0].sum() * size**3 == pytest.approx(volume, rel=0.03)
    # Rays along z and along x agree but where limbs touch or the mesh passes through itself.
    assert (grids[0] != grids[1].transpose(2, 1, 0)).sum() < 0.01 * grids[0].sum()


def test_voxelize_refuses_nonsense():
    points, hull = polyhedron(0)
    with pytest.raises(ValueError, match="faces"):
        voxelize(points, hull.simplices[:, :2], origin=np.zeros(3), voxel_size=1.0, shape=(2, 2, 2))
    with pytest.raises(ValueError, match="voxel_size"):
        voxelize(points, hull.simplices, origin=np.zeros(3), voxel_size=0.0, shape=(2, 2, 2))
    points[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        voxelize(points, hull.simplices, origin=np.zeros(3), voxel_size=1.0, shape=(2, 2, 2))
