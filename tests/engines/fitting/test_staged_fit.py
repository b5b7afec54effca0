"""Fits from nothing: known people are found again, facing anywhere; and fits from bodies that are nearly right."""

import numpy as np
import pytest

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.fitting.attached_points import Figures
from engines.fitting.camera_start import start_figures, turned_as_torsos
from engines.fitting.image_evidence import ImageEvidence
from engines.fitting.staged_fit import StagedFit
from engines.metrics import pa_mpjpe
from tests.engines.fitting.people import CAMERA, draw_people


@pytest.fixture(scope="module")
def fit():
    return StagedFit(load_body())


def _joints(fit, figures):
    return fit.objective.skeleton.pose(figures).joints


@pytest.mark.parametrize("heading", [0.0, np.pi / 2, np.pi, -np.pi / 2])
def test_people_are_found_again(fit, heading):
    people = draw_people(4, seed=4, heading=heading)
    found = _joints(fit, fit.cold(people.evidence()).figures)
    assert 1000 * pa_mpjpe(found, people.cloud[:, 17:]).max() < 45
    np.testing.assert_allclose(found[:, 0, 2], people.place[:, 2], rtol=0.15)


def test_by_landmarks_of_the_picture_alone(fit):
    people = draw_people(4, seed=5)
    evidence = people.evidence(depth=False)
    evidence.weight[:, 17:] = 0
    found = _joints(fit, fit.cold(evidence).figures)
    assert 1000 * pa_mpjpe(found, people.cloud[:, 17:]).max() < 70


def test_warm_starts_stay_with_the_person(fit):
    """From a body that is three degrees off everywhere, over a few frames."""
    people = draw_people(3, seed=6)
    evidence = people.evidence()
    figures = Figures.of(people.pose + 0.05, people.betas * 0, people.place)
    for _ in range(4):
        figures = fit.warm(figures, evidence).figures
    assert 1000 * pa_mpjpe(_joints(fit, figures), people.cloud[:, 17:]).max() < 45


def test_start_is_at_the_distance_of_similar_triangles(fit):
    people = draw_people(5, seed=7)
    start, sideways = start_figures(people.evidence(), fit.objective.skeleton, fit.objective.points, 10)
    np.testing.assert_allclose(start.translation[:, 2], people.place[:, 2], rtol=0.2)
    np.testing.assert_allclose(start.translation[:, :2], people.place[:, :2], atol=0.25)
    assert not sideways.any()
    side = draw_people(5, seed=7, heading=np.pi / 2)
    assert start_figures(side.evidence(), fit.objective.skeleton, fit.objective.points, 10)[1].all()


def test_one_visible_point_is_survived(fit):
    people = draw_people(2, seed=8)
    evidence = people.evidence(depth=False)
    evidence.weight[:, 1:] = 0
    found = fit.cold(evidence)
    assert np.isfinite(found.energy).all() and np.isfinite(found.figures.rotations).all()


def test_torsos_turn_as_their_depths_say(fit):
    """Leaning back by a radian and turned aside: no standing start, but the four corners of a torso give it away."""
    people = draw_people(3, seed=10)
    lean = rotation_matrices(np.array([-1.0, 0.0, 0.0])) @ rotation_matrices(people.pose[:, 0])
    figures = Figures.of(people.pose, people.betas, people.place).with_rotation(0, lean)
    objective = fit.objective
    cloud = objective.points.places(figures, objective.skeleton.pose(figures))
    depth = cloud[..., 2] - figures.translation[:, None, 2]
    seen = np.concatenate((CAMERA.project(cloud), np.full((3, 41, 1), 0.7)), -1)
    evidence = ImageEvidence.of(seen, depth, [CAMERA] * 3, np.full((3, 2), (CAMERA.cx, CAMERA.cy)), 2.0)
    start, _ = start_figures(evidence, objective.skeleton, objective.points, 10)
    turned = turned_as_torsos(start, evidence, objective.skeleton, objective.points)

    def off(found):
        return np.arccos(((found.rotations[:, 0] * lean).sum((1, 2)) - 1) / 2)

    assert (off(start) > 0.8).all() and (off(turned) < 0.5).all()
    unknown = ImageEvidence.of(seen, None, [CAMERA] * 3, np.zeros((3, 2)), 2.0)
    same = turned_as_torsos(start, unknown, objective.skeleton, objective.points)
    np.testing.assert_allclose(same.rotations, start.rotations)
