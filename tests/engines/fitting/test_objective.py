"""The whole energy: its gradient, and what its terms say about bodies that are known to be right or wrong."""

import numpy as np
import pytest

from engines.body import load_body
from engines.fitting.attached_points import SHAPE, Figures, Skeleton
from engines.fitting.bending import bending_residuals
from engines.fitting.capsules import Capsules
from engines.fitting.objective import Objective, Weights
from tests.engines.fitting.people import draw_people


@pytest.fixture(scope="module")
def body():
    return load_body()


def test_gradient_is_that_of_finite_differences(body):
    people = draw_people(2, seed=2)
    objective, evidence = Objective(body), people.evidence()
    figures = Figures.of(people.pose + 0.2, people.betas + 0.5, people.place + 0.05)
    distance, weights = people.place[:, 2], Weights(spheres=30.0)
    gradient = objective(figures, evidence, distance, weights).gradient
    for parameter in range(SHAPE.start):
        step = np.zeros((2, gradient.shape[1]))
        step[:, parameter] = 1e-5
        ahead = objective(figures.moved(step), evidence, distance, weights).value
        behind = objective(figures.moved(-step), evidence, distance, weights).value
        np.testing.assert_allclose(gradient[:, parameter], (ahead - behind) / 4e-5, rtol=1e-4, atol=1e-3)
    # By betas without the spheres, which do not press on the shape.
    plain = objective(figures, evidence, distance, Weights()).gradient
    for parameter in range(SHAPE.start, gradient.shape[1]):
        step = np.zeros((2, gradient.shape[1]))
        step[:, parameter] = 1e-5
        ahead = objective(figures.moved(step), evidence, distance, Weights()).value
        behind = objective(figures.moved(-step), evidence, distance, Weights()).value
        np.testing.assert_allclose(plain[:, parameter], (ahead - behind) / 4e-5, rtol=1e-4, atol=1e-3)


def test_bending_backwards_costs_and_forwards_does_not():
    vectors = np.zeros((5, 24, 3))
    vectors[1, 4, 0], vectors[2, 4, 0] = 1.0, -1.0
    vectors[3, 18, 1], vectors[4, 19, 1] = 1.0, 1.0
    straight, forwards, backwards, left, right = (bending_residuals(vectors)[0] ** 2).sum(1)
    assert forwards < straight < backwards
    assert right < straight < left


def test_capsules_know_limbs_that_pass_through_each_other(body):
    capsules, skeleton = Capsules(body), Skeleton(body)
    pose = np.zeros((3, 24, 3))
    pose[1, 16, 2] = -1.2  # an arm hanging beside the body
    pose[2, 16, 2] = -2.1  # an arm through the hips
    figures = Figures.of(pose, np.zeros((3, 10)), np.zeros((3, 3)))
    free, beside, through = capsules.energy(figures, skeleton.pose(figures)).value
    assert free < 1e-6 and beside < 1e-3 and through > 0.3


def test_capsules_grow_with_the_body(body):
    capsules = Capsules(body)
    # Volume of shapes along the first coefficients against the radii regressed from them.
    betas = np.zeros((2, 10))
    heavier = np.abs(body.shapedirs).sum((0, 1)).argmax()
    betas[0, heavier], betas[1, heavier] = -2, 2
    thin, thick = (
        body.forward(np.zeros((1, 24, 3)), row[None], np.zeros((1, 3)), 2).vertices[0].std(0).prod() for row in betas
    )
    radii = capsules.radii(betas)
    assert (thick > thin) == (radii[1].mean() > radii[0].mean())
