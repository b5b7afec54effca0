"""The grid of a crop: its front view is the crop, and places come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.camera import Intrinsics
from engines.methods.bodynet.grid import GridView
from engines.methods.evidence import CropRequest

PICTURE = np.zeros((4, 4, 3), np.uint8)


def view(center: tuple[float, float], side: float, focal: float = 500.0) -> GridView:
    camera = Intrinsics(fx=focal, fy=1.1 * focal, cx=320, cy=240)
    request = CropRequest(image=PICTURE, center_px=np.array(center), side_px=side, intrinsics=camera)
    return GridView.of_requests([request, request])


@settings(max_examples=40, deadline=None)
@given(
    center=st.tuples(st.floats(-50, 700), st.floats(0, 480)),
    side=st.floats(30, 900),
    root=st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(1.5, 8)),
    cells=st.lists(st.tuples(*[st.floats(-1, 1)] * 3), min_size=1, max_size=5),
)
def test_places_come_back(center, side, root, cells):
    grid = view(center, side)
    root = np.array([root, root])
    # Cells behind the camera have no place: near crops are deep.
    cells = np.array([cells, cells]) * (1, 1, min(1, 0.5 / grid.view.half_tan.max()))
    back = grid.to_grid(grid.to_camera(cells, root), root)
    np.testing.assert_allclose(back, cells, atol=1e-6)


def test_front_view_is_the_crop():
    grid = view((400, 200), 100)
    root = np.array([[0.3, 0.1, 3.0]] * 2)
    corner = grid.to_camera(np.array([[(-1, -1, z) for z in (-0.5, 0, 0.7)]] * 2), root)
    pixels = Intrinsics(fx=500, fy=550, cx=320, cy=240).project(corner)
    np.testing.assert_allclose(pixels, np.broadcast_to((350, 150), pixels.shape), atol=1e-4)


def test_the_root_has_depth_zero_and_units_are_as_long_as_wide():
    grid = view((320, 240), 200)
    root = np.array([[0.0, 0, 4.0]] * 2)
    found = grid.to_grid(np.array([[(0, 0, 4.0), (0.1, 0, 4), (0, 0, 4.1)]] * 2), root)[0]
    assert found[0] == pytest.approx([0, 0, 0], abs=1e-9)
    assert found[2, 2] == pytest.approx(found[1, 0], rel=0.06)  # fx and fy differ by a tenth, depth takes their mean
    units = grid.depth_units(np.full((2, 1), 0.1), root)
    assert units[0, 0] == pytest.approx(found[2, 2], rel=1e-5)


def test_derivatives_against_finite_differences():
    grid = view((500, 100), 250)
    rng = np.random.default_rng(0)
    root = rng.normal((0.4, -0.2, 3), 0.1, (2, 3))
    points = root[:, None] + rng.normal(0, 0.3, (2, 7, 3))
    by_point, by_root = grid.derivatives(points, root)
    step = 1e-5 * np.eye(3)
    moved = [(grid.to_grid(points + d, root) - grid.to_grid(points - d, root)) / 2e-5 for d in step]
    np.testing.assert_allclose(np.stack(moved, -1), by_point, atol=1e-6)
    moved = [(grid.to_grid(points, root + d) - grid.to_grid(points, root - d)) / 2e-5 for d in step]
    np.testing.assert_allclose(np.stack(moved, -1), by_root, atol=1e-6)


def test_one_row_alone_sees_the_same():
    grid = view((100, 300), 80)
    points, root = np.array([[(0.1, 0.2, 3)]] * 2), np.array([[0, 0, 3.0]] * 2)
    np.testing.assert_array_equal(grid.row(1).to_grid(points[1:], root[1:]), grid.to_grid(points, root)[1:])
