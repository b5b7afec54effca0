"""Surfaces of volumes against a ball, whose surface is known."""

from __future__ import annotations

import numpy as np
import pytest

from engines.methods.bodynet.surface import surface_mesh, surface_points

CENTRE, RADIUS = np.array((0.1, -0.2, 0.05)), 0.4


def ball(cells: int = 48, softness: float = 0.02) -> np.ndarray:
    centres = (np.arange(cells) + 0.5) * (2 / cells) - 1
    z, y, x = np.meshgrid(centres, centres, centres, indexing="ij")
    distance = np.linalg.norm(np.stack((x, y, z), -1) - CENTRE, axis=-1)
    return (1 / (1 + np.exp((distance - RADIUS) / softness))).astype(np.float32)


def test_points_lie_on_the_ball_with_outward_normals():
    found = surface_points(ball(), 300)
    out = found.places - CENTRE
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), RADIUS, atol=2e-3)
    assert ((found.normals * out).sum(1) > 0.98 * RADIUS).all()
    assert 250 < len(found.places) < 700
    # Evenly spread: no octant is left out.
    assert len(np.unique((out > 0) @ (1, 2, 4))) == 8


def test_a_soft_surface_is_less_sure():
    hard, soft = (surface_points(ball(softness=s), 300).confidence.mean() for s in (0.005, 0.08))
    assert soft < 0.5 * hard


def test_the_level_keeps_the_volume_of_what_is_blurred_in_depth():
    from scipy.ndimage import gaussian_filter1d

    from engines.methods.bodynet.surface import surface_level

    sharp = ball()
    assert surface_level((sharp > 0.5).astype(np.float32)) == 0.5
    blurred = gaussian_filter1d(sharp, 5, axis=0)
    inside = blurred > surface_level(blurred)
    assert inside.sum() == pytest.approx((sharp > 0.5).sum(), rel=0.04)
    assert surface_level(np.zeros((4, 4, 4), np.float32)) >= 0.15


def test_nobody_has_no_surface():
    assert surface_points(np.zeros((16, 16, 16), np.float32), 100) is None


def test_a_volume_cut_by_the_grid_still_has_points():
    half = ball()[:, :, :26]
    places = surface_points(half, 200).places
    assert np.isfinite(places).all()


def test_mesh_is_closed_and_faces_outward():
    pytest.importorskip("skimage", reason="needs the surface extra: pip install -e '.[surface]'")
    for volume in (ball(), ball()[12:]):
        vertices, faces = surface_mesh(volume)
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    vertices, faces = surface_mesh(ball())
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.04)


def test_mesh_of_nobody_is_empty():
    pytest.importorskip("skimage", reason="needs the surface extra: pip install -e '.[surface]'")
    vertices, faces = surface_mesh(np.zeros((8, 8, 8), np.float32))
    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
