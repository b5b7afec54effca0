"""The rasteriser against the definition of coverage, pixel by pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.raster import face_normals, paint, visible_faces

SEEDS = st.integers(0, 2**32 - 1)


def inside(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W) float: smallest signed distance of each pixel centre to the triangle's edges, > 0 inside."""
    y, x = np.mgrid[:height, :width] + 0.5
    area = np.cross(np.append(corners[1] - corners[0], 0), np.append(corners[2] - corners[0], 0))[2]
    distances = []
    for i in range(3):
        a, b = corners[i], corners[(i + 1) % 3]
        edge = b - a
        cross = edge[0] * (y - a[1]) - edge[1] * (x - a[0])
        distances.append(np.sign(area) * cross / max(np.hypot(*edge), 1e-9))
    return np.min(distances, axis=0)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_covers_the_pixels_whose_centres_lie_inside(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-10, 40, (1, 3, 2)).astype(np.float32)
    canvas = np.zeros((24, 32), np.int32)
    paint(canvas, corners, np.array([5], np.int32))
    distance = inside(corners[0].astype(np.float64), 24, 32)
    sure = np.abs(distance) > 1e-3
    assert ((canvas == 5) == (distance > 0))[sure].all()


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_a_triangulation_has_neither_gaps_nor_overlaps(seed):
    rng = np.random.default_rng(seed)
    # A grid with shaken inner corners, cut into triangles: it covers the canvas exactly once.
    xs, ys = np.meshgrid(np.linspace(0, 32, 6), np.linspace(0, 24, 6))
    points = np.stack([xs, ys], axis=-1)
    points[1:-1, 1:-1] += rng.uniform(-1.5, 1.5, (4, 4, 2))
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, 1:], points[1:, :-1]
    triangles = np.concatenate([np.stack(t, axis=-2).reshape(-1, 3, 2) for t in ((a, b, c), (a, c, d))])
    count = np.zeros((24, 32), int)
    for triangle in triangles.astype(np.float32):
        canvas = np.zeros((24, 32), np.uint8)
        paint(canvas, triangle[None], np.ones(1, np.uint8))
        count += canvas
    assert (count == 1).all()


def test_later_triangles_cover_earlier_ones():
    canvas = np.zeros((8, 8), np.uint8)
    big = np.array([[[-20, -20], [40, -20], [-20, 40]]], np.float32)
    paint(canvas, np.concatenate([big, big]), np.array([1, 2], np.uint8))
    assert (canvas == 2).all()


def test_nothing_outside_or_degenerate_is_painted():
    canvas = np.zeros((8, 8), np.uint8)
    far = np.array([[[100, 100], [110, 100], [100, 110]], [[3, 3], [3, 3], [3, 3]], [[1, 2], [5, 2], [7, 2]]])
    paint(canvas, far.astype(np.float32), np.ones(3, np.uint8))
    paint(canvas, np.zeros((0, 3, 2), np.float32), np.zeros(0, np.uint8))
    assert not canvas.any()


def test_faces_that_look_away_or_lie_behind_the_camera_are_left_out_and_far_ones_come_first():
    # Two squares facing the camera at 2 m and 3 m, one turned away, one behind the camera.
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    vertices = np.concatenate([np.column_stack([square, np.full(4, z)]) for z in (2, 3, 4, -1)])
    towards, away = [(0, 2, 1), (0, 3, 2)], [(0, 1, 2), (0, 2, 3)]
    faces = np.array([(a + 4 * i, b + 4 * i, c + 4 * i) for i, side in enumerate((towards, towards, away, towards))
                      for a, b, c in side])  # fmt: skip
    points = vertices[:, :2] / np.abs(vertices[:, 2:]) * 100
    order = visible_faces(points, vertices[:, 2], faces)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert set(order[:2].tolist()) == {2, 3}
    np.testing.assert_allclose(face_normals(vertices, faces[:2]), [[0, 0, -1]] * 2)
