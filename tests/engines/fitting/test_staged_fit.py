"""Fits from nothing: known people are found again, facing anywhere; and fits from bodies that are nearly right."""

import numpy as np
import pytest

from engines.body import load_body
from engines.fitting.attached_points import Figures
from engines.fitting.camera_start import start_figures
from engines.fitting.staged_fit import StagedFit
from engines.metrics import pa_mpjpe
from tests.engines.fitting.people import draw_people


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
