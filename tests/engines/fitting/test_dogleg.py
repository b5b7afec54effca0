"""Powell's dogleg against scipy, on the energy that fits minimise and on single steps."""

import numpy as np
import pytest
from scipy.optimize import minimize

from engines.body import load_body
from engines.fitting.attached_points import PLACE, Figures
from engines.fitting.dogleg import dogleg_step, minimise
from engines.fitting.objective import Objective, Weights
from tests.engines.fitting.people import draw_people


@pytest.fixture(scope="module")
def problem():
    people = draw_people(2, seed=1)
    evidence, objective = people.evidence(), Objective(load_body())
    start = Figures.of(people.pose + 0.15, people.betas * 0, people.place + 0.1)
    distance = start.translation[:, 2]

    def evaluate(figures, rows):
        return objective(figures, evidence.rows(rows), distance[rows], Weights())

    return evaluate, start


def test_finds_what_scipy_finds(problem):
    """Over place and shape, which form a vector space: scipy's steps and gradients mean the same there."""
    evaluate, start = problem
    free = np.arange(PLACE.start, 73)
    _, found = minimise(evaluate, start, rounds=60, tolerance=1e-9, free=free)
    for row in range(2):
        index, one = np.array([row]), start.rows(np.array([row]))

        def energy(part, one=one, index=index):
            step = np.zeros((1, 73))
            step[:, free] = part
            at = evaluate(one.moved(step), index)
            return at.value[0], 2 * at.gradient[0, free]

        best = minimize(energy, np.zeros(len(free)), jac=True, method="BFGS").fun
        assert found[row] == pytest.approx(best, rel=1e-4)


def test_nothing_pulls_where_it_ends(problem):
    evaluate, start = problem
    figures, value = minimise(evaluate, start, rounds=100, tolerance=1e-10)
    gradient = evaluate(figures, np.arange(2)).gradient
    first = evaluate(start, np.arange(2))
    assert (value < 0.1 * first.value).all()
    assert np.linalg.norm(gradient, axis=1).max() < 1e-3 * np.linalg.norm(first.gradient, axis=1).min()


def test_energy_never_rises_and_rows_do_not_disturb_each_other(problem):
    evaluate, start = problem
    values = [minimise(evaluate, start, rounds=rounds)[1] for rounds in range(6)]
    assert (np.diff(values, axis=0) <= 1e-12).all()
    together, _ = minimise(evaluate, start, rounds=6)
    alone, _ = minimise(lambda figures, rows: evaluate(figures, rows + 1), start.rows(np.array([1])), rounds=6)
    np.testing.assert_allclose(together.rotations[1], alone.rotations[0], atol=1e-8)


def test_only_free_parameters_move(problem):
    evaluate, start = problem
    moved, _ = minimise(evaluate, start, rounds=3, free=np.array([0, 1, 2, 62]))
    np.testing.assert_array_equal(moved.betas, start.betas)
    np.testing.assert_array_equal(moved.rotations[:, 1:], start.rotations[:, 1:])
    np.testing.assert_array_equal(moved.translation[:, :2], start.translation[:, :2])
    assert (moved.translation[:, 2] != start.translation[:, 2]).all()


def test_steps_keep_within_the_radius_and_beat_steepest_descent():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(50, 8, 6))
    hessian, gradient = root.swapaxes(1, 2) @ root, rng.normal(size=(50, 6))
    radius = np.geomspace(1e-3, 10, 50)
    step = dogleg_step(gradient, hessian, radius)
    assert (np.linalg.norm(step, axis=1) <= radius * (1 + 1e-9)).all()
    newton = -np.linalg.solve(hessian, gradient[..., None])[..., 0]
    inside = np.linalg.norm(newton, axis=1) <= radius
    assert inside.any() and not inside.all()
    np.testing.assert_allclose(step[inside], newton[inside], rtol=1e-5)

    def model(s):
        return 2 * (gradient * s).sum(1) + np.einsum("bi,bij,bj->b", s, hessian, s)

    along = -gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    slope, bend = (gradient * along).sum(1), np.einsum("bi,bij,bj->b", along, hessian, along)
    descent = along * np.minimum(-slope / bend, radius)[:, None]
    assert (model(step) <= model(descent) + 1e-9).all()
