"""Points without vertices: the same places as full skinning, and derivatives as finite differences give them."""

import numpy as np
import pytest

from engines.body import load_body
from engines.fitting.attached_points import FREE_JOINTS, Figures, Skeleton, image_points
from engines.keypoints import NUM_JOINTS


@pytest.fixture(scope="module")
def scene():
    body, rng = load_body(), np.random.default_rng(3)
    pose, betas, place = rng.normal(0, 0.6, (3, 24, 3)), rng.normal(0, 1.5, (3, 10)), rng.normal(0, 1, (3, 3))
    return body, pose, betas, place, Skeleton(body), image_points(body)


def test_same_places_as_skinning(scene):
    body, pose, betas, place, skeleton, points = scene
    figures = Figures.of(pose, betas, place)
    posed = body.forward(pose, betas, place)
    expected = np.concatenate((body.coco(posed.vertices), posed.joints), 1)
    np.testing.assert_allclose(points.places(figures, skeleton.pose(figures)), expected, atol=3e-6)


def test_derivatives_are_those_of_finite_differences(scene):
    _, pose, betas, place, skeleton, points = scene
    figures = Figures.of(pose, betas, place)
    _, moves = points.moves(figures, skeleton.pose(figures))
    found = np.empty_like(moves)
    for parameter in range(moves.shape[-1]):
        step = np.zeros((3, moves.shape[-1]))
        step[:, parameter] = 1e-6
        after, before = figures.moved(step), figures.moved(-step)
        found[..., parameter] = (
            points.places(after, skeleton.pose(after)) - points.places(before, skeleton.pose(before))
        ) / 2e-6
    # Rodrigues' formula holds small turns at its limits, which costs a relative 1e-6 at this step.
    np.testing.assert_allclose(moves, found, atol=2e-6)


def test_joints_that_are_not_free_move_no_point(scene):
    _, pose, betas, place, skeleton, points = scene
    held = sorted(set(range(NUM_JOINTS)) - set(FREE_JOINTS))
    turned = pose.copy()
    turned[:, held] += 1.0
    first, second = Figures.of(pose, betas, place), Figures.of(turned, betas, place)
    np.testing.assert_allclose(
        points.places(first, skeleton.pose(first)), points.places(second, skeleton.pose(second)), atol=1e-12
    )


def test_moved_without_shape_keeps_it(scene):
    _, pose, betas, place, *_ = scene
    figures = Figures.of(pose, betas, place).moved(np.full((3, 63), 0.1))
    np.testing.assert_array_equal(figures.betas, betas)
    np.testing.assert_allclose(figures.translation, place + 0.1)
