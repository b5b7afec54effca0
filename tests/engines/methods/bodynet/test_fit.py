"""A body fitted to its own volume, from a wrong start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from engines.body import load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import Figures
from engines.fitting.image_evidence import ImageEvidence
from engines.methods.bodies import Bodies
from engines.methods.bodynet.fit import MESH_LEVEL, SurfaceFit, mesh_points, vertex_normals
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.surface import surface_points
from engines.methods.evidence import CropRequest
from kernels.voxelize import voxelize

CAMERA = Intrinsics(fx=400, fy=400, cx=112, cy=112)


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def fit(body):
    return SurfaceFit(body)


def truth(body, seed: int) -> Bodies:
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.25, (1, 24, 3)).astype(np.float32)
    pose[:, 0] = (np.pi - 0.3, 0.2, 0.3)
    pose[:, 16, 2], pose[:, 17, 2] = -0.9, 0.9
    betas = rng.normal(0, 1, (1, 10)).astype(np.float32)
    place = np.array([[0.1, 0.0, 4.5]], np.float32)
    return Bodies(pose=pose, betas=betas, translation=place, joints=body.joints(pose, betas, place))


def seen(body, person: Bodies):
    request = CropRequest(
        image=np.zeros((224, 224, 3), np.uint8), center_px=np.array([120.0, 112]), side_px=200.0, intrinsics=CAMERA
    )
    grid = GridView.of_requests([request])
    posed = body.forward(person.pose, person.betas, person.translation, 1)
    mesh = grid.to_grid(posed.vertices, person.translation)[0]
    cells = voxelize(mesh, body.faces[1], origin=np.full(3, -1.0), voxel_size=2 / 64, shape=(64, 64, 64))
    surface = surface_points(gaussian_filter(cells.astype(np.float32), 0.7), 220)
    fine = body.forward(person.pose, person.betas, person.translation).vertices
    points = CAMERA.project(np.concatenate((body.coco(fine), person.joints), 1))
    points = np.concatenate((points, np.full((1, 41, 1), 0.4)), -1)
    return ImageEvidence.of(points, None, [CAMERA], grid.centers_px, 3.0), grid, surface


def vertex_error(body, one: Bodies, other: Bodies) -> float:
    zero = np.zeros((1, 3))
    return float(
        np.linalg.norm(
            body.forward(one.pose, one.betas, zero, 1).vertices
            - body.forward(other.pose, other.betas, zero, 1).vertices,
            axis=-1,
        ).mean()
    )


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_back_to_the_body_of_the_volume(body, fit, seed):
    person = truth(body, seed)
    rng = np.random.default_rng(100 + seed)
    pose = person.pose + rng.normal(0, 0.15, person.pose.shape).astype(np.float32)
    betas, place = np.zeros((1, 10), np.float32), person.translation * np.float32(1.04)
    start = Bodies(pose=pose, betas=betas, translation=place, joints=body.joints(pose, betas, place))
    found = fit.fit(start, *seen(body, person))
    assert vertex_error(body, found, person) < 0.4 * vertex_error(body, start, person)
    np.testing.assert_allclose(found.joints, body.joints(found.pose, found.betas, found.translation), atol=1e-5)


def litres(body, betas: np.ndarray) -> float:
    vertices = body.forward(np.zeros((1, 24, 3)), betas, np.zeros((1, 3)), 1).vertices[0].astype(np.float64)
    a, b, c = (vertices[body.faces[1][:, k]] for k in range(3))
    return float(1000 * np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def test_the_volume_says_how_stout_somebody_is(body, fit):
    """Joints alone cannot. The coefficient is the one that changes the volume most."""
    units = np.eye(10, dtype=np.float32)
    stout = max(range(10), key=lambda k: abs(litres(body, units[k, None]) - litres(body, -units[k, None])))
    for sign in (-2, 2):
        person = truth(body, 7)
        person = Bodies(
            pose=person.pose, betas=sign * units[stout, None], translation=person.translation, joints=person.joints
        )
        start = Bodies(pose=person.pose, betas=0 * person.betas, translation=person.translation, joints=person.joints)
        found = fit.fit(start, *seen(body, person))
        wrong = abs(litres(body, start.betas) - litres(body, person.betas))
        assert abs(litres(body, found.betas) - litres(body, person.betas)) < 0.6 * wrong


def test_numbers_that_fail_leave_the_guess(body, fit):
    person = truth(body, 1)
    evidence, grid, surface = seen(body, person)
    broken = Bodies(pose=person.pose, betas=person.betas, translation=person.translation * np.nan, joints=person.joints)
    assert fit.fit(broken, evidence, grid, surface) is broken


def test_mesh_points_are_the_vertices(body):
    picked = np.array([0, 5, 100, 300])
    person = truth(body, 3)
    figures = Figures.of(person.pose, person.betas, person.translation)
    points = mesh_points(body, MESH_LEVEL, picked)
    from engines.fitting.attached_points import Skeleton

    found = points.places(figures, Skeleton(body).pose(figures))[0]
    posed = body.forward(person.pose, person.betas, person.translation, MESH_LEVEL)
    np.testing.assert_allclose(found, posed.vertices[0, picked], atol=1e-4)


def test_normals_point_out_of_a_tetrahedron():
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1.0)])
    faces = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    out = corners - corners.mean(0)
    assert ((vertex_normals(corners, faces) * out).sum(1) > 0).all()
