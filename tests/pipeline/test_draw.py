"""Drawings against the projection of the body: they are where the body is, and nowhere else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from pipeline.draw import colour_of, draw_bodies, draw_meshes, draw_result
from tests.pipeline.bodies import picture_result, standing

SIZE = (640, 360)
CAMERA = Intrinsics.from_fov(*SIZE)


@pytest.fixture(scope="module")
def body():
    return load_body()


def painted(bodies, body) -> np.ndarray:
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    draw_bodies(image, bodies, body, CAMERA)
    return (image != 90).any(axis=2)


def test_the_mesh_covers_the_silhouette_of_the_body(body):
    person = standing(body, CAMERA)
    estimate = person.estimate
    posed = body.forward(estimate.pose, estimate.betas, estimate.translation, level=1)
    points = CAMERA.project(posed.vertices[0])
    truth = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    for face in body.faces[1]:  # the union of all triangles, both sides, by another rasteriser
        cv2.fillConvexPoly(truth, np.round(points[face] * 16 - 8).astype(np.int32), 1, shift=4)
    drawn = painted((person,), body)
    assert drawn.sum() > 5000
    assert not drawn[cv2.dilate(truth, np.ones((3, 3))) == 0].any()
    assert (drawn & (truth > 0)).sum() / drawn.sum() > 0.99
    inner = (
        cv2.erode(truth, np.ones((5, 5))) > 0
    )  # the other rasteriser widens triangles and closes gaps between fingers
    assert drawn[inner].mean() > 0.999


def test_the_nearer_body_covers_the_farther_one(body):
    near, far = standing(body, CAMERA, z=2.5, track_id=1), standing(body, CAMERA, z=5.0, track_id=2)
    image = {}
    for name, bodies in (("near", (near,)), ("both", (far, near)), ("swapped", (near, far))):
        image[name] = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        draw_bodies(image[name], bodies, body, CAMERA)
    chest = np.round(CAMERA.project(near.estimate.joints[9])).astype(int)
    for name in ("both", "swapped"):
        assert (image[name][chest[1], chest[0]] == image["near"][chest[1], chest[0]]).all()


def test_bodies_behind_or_beside_the_picture_draw_nothing(body):
    assert not painted((standing(body, CAMERA, z=-3),), body).any()
    assert not painted((standing(body, CAMERA, x=30),), body).any()
    assert not painted((), body).any()
    assert painted((standing(body, CAMERA, z=0.3),), body).mean() > 0.2, (
        "a body that fills the picture is cut, not lost"
    )


def test_a_smaller_picture_gets_the_same_drawing(body):
    result = picture_result((standing(body, CAMERA),), CAMERA, SIZE)
    large = draw_result(result.frame.image, result, body)
    small = draw_result(result.frame.image[::2, ::2], result, body)
    assert small.shape == (SIZE[1] // 2, SIZE[0] // 2, 3)
    shrunk = cv2.resize(large, (SIZE[0] // 2, SIZE[1] // 2), interpolation=cv2.INTER_AREA)
    same = (small != 90).any(axis=2) == (np.abs(shrunk.astype(int) - 90) > 12).any(axis=2)
    assert same.mean() > 0.97
    assert (result.frame.image == 90).all(), "the picture itself is not drawn into"


def test_skeleton_and_label_do_not_mind_wild_numbers(body):
    person = standing(body, CAMERA)
    person.estimate.points_px[3] = (np.nan, 1e9, 1.0)
    person.estimate.points_px[4] = (-1e9, 5, 1.0)
    result = picture_result((person,), CAMERA, SIZE)
    assert (draw_result(result.frame.image, result, body) != 90).any()


def test_colours_are_stable_and_differ():
    colours = [colour_of(i) for i in range(1, 9)]
    assert colours == [colour_of(i) for i in range(1, 9)]
    distances = [np.abs(np.subtract(a, b)).sum() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(distances) > 30


def test_a_sheet_shows_depth_from_the_side_and_from_above(body):
    people = (standing(body, CAMERA, x=-0.5, z=3, track_id=1), standing(body, CAMERA, x=0.5, z=7, track_id=2))
    seen = {view: draw_meshes(people, body, (400, 300), view=view) for view in ("front", "side", "top")}

    def width_to_height(image: np.ndarray) -> float:
        rows, columns = np.nonzero((image != (246, 246, 244)).any(axis=2))
        return np.ptp(columns) / np.ptp(rows)

    assert width_to_height(seen["front"]) == pytest.approx(2.7 / 1.75, rel=0.15)
    assert width_to_height(seen["side"]) == pytest.approx(4.3 / 1.75, rel=0.15)
    assert width_to_height(seen["top"]) == pytest.approx(2.7 / 4.3, rel=0.15)
    rows = [np.nonzero((seen["top"] == colour_row).all(axis=2))[0] for colour_row in ((246, 246, 244),)]
    assert len(rows[0]) and (draw_meshes((), body, (40, 30)) == (246, 246, 244)).all()
