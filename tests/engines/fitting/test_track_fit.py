"""A track as a whole: noise goes, motion stays, and the arithmetic of bands and differences holds."""

import numpy as np
import pytest

from engines.body import load_body
from engines.fitting.attached_points import Figures
from engines.fitting.image_evidence import ImageEvidence
from engines.fitting.objective import Objective
from engines.fitting.track_fit import _solve, accelerations, refine_track, second_differences
from tests.engines.fitting.people import CAMERA, draw_people

FRAMES, FPS = 24, 30.0


@pytest.fixture(scope="module")
def track():
    """Someone who raises an arm and steps aside, seen with noise, and a jittering estimate of it."""
    rng = np.random.default_rng(9)
    still = draw_people(1, seed=9)
    seconds = np.arange(FRAMES) / FPS
    pose, place = np.repeat(still.pose, FRAMES, 0), np.repeat(still.place, FRAMES, 0)
    pose[:, 16, 2] += 1.5 * np.sin(seconds * 2)
    place[:, 0] += 0.8 * seconds
    objective = Objective(load_body())
    truth = Figures.of(pose, np.repeat(still.betas, FRAMES, 0), place)
    cloud = objective.points.places(truth, objective.skeleton.pose(truth))
    points = np.concatenate((CAMERA.project(cloud), np.full((FRAMES, 41, 1), 0.7)), -1)
    points[..., :2] += rng.normal(0, 4, points[..., :2].shape)
    evidence = ImageEvidence.of(points, None, [CAMERA] * FRAMES, points[:, 17, :2], 2.0)
    guess = Figures.of(
        pose + rng.normal(0, 0.08, pose.shape),
        truth.betas + rng.normal(0, 0.5, truth.betas.shape),
        place + rng.normal(0, 0.03, place.shape),
    )
    return objective, truth, guess, evidence, seconds


def _joints(objective, figures):
    return objective.skeleton.pose(figures).joints


def test_noise_goes_and_motion_stays(track):
    objective, truth, guess, evidence, seconds = track
    found = refine_track(objective, guess, evidence, seconds)
    right = _joints(objective, truth)

    def error(figures):
        own = _joints(objective, figures)
        return np.linalg.norm((own - own[:, :1]) - (right - right[:, :1]), axis=-1).mean()

    def jitter(joints):
        return np.linalg.norm(np.diff(joints, 3, axis=0), axis=-1).mean()

    assert error(found) < 0.8 * error(guess)
    assert jitter(_joints(objective, found)) < 0.1 * jitter(_joints(objective, guess))
    # The hand's path is as long as it was.
    wrist = [np.linalg.norm(np.diff(_joints(objective, f)[::6, 20], axis=0), axis=-1).sum() for f in (found, truth)]
    assert wrist[0] == pytest.approx(wrist[1], rel=0.15)
    assert np.ptp(found.betas, axis=0).max() < 1e-9


def test_windows_join_without_a_seam(track, monkeypatch):
    objective, _, guess, evidence, seconds = track
    whole = refine_track(objective, guess, evidence, seconds)
    monkeypatch.setattr("engines.fitting.track_fit.WINDOW", 16)
    monkeypatch.setattr("engines.fitting.track_fit.OVERLAP", 10)
    joined = refine_track(objective, guess, evidence, seconds)
    assert len(joined.rotations) == FRAMES
    apart = np.linalg.norm(_joints(objective, whole) - _joints(objective, joined), axis=-1)
    assert apart.mean() < 0.02


def test_accelerations_of_an_uneven_clock():
    seconds = np.array([0.0, 0.03, 0.1, 0.12, 0.2])
    place = np.zeros((5, 3))
    place[:, 1] = 3 * seconds**2 - seconds
    pose = np.zeros((5, 24, 3))
    pose[:, 4, 0] = -2 * seconds**2
    found = accelerations(Figures.of(pose, np.zeros((5, 10)), place), seconds)
    np.testing.assert_allclose(found[:, 61], 6.0)
    np.testing.assert_allclose(found[:, 12], -4.0)
    np.testing.assert_allclose(second_differences(seconds) @ place[:, 1], 6.0)


def test_band_is_the_dense_system():
    rng = np.random.default_rng(0)
    count, size = 5, 63
    root = rng.normal(size=(count, size, size))
    blocks = root @ root.swapaxes(1, 2) + np.eye(size)
    differences, scale, gradient = second_differences(np.arange(5.0)), rng.random(size), rng.normal(size=(count, size))
    coupling = differences.T @ differences
    dense = np.kron(coupling, np.diag(scale))
    for frame in range(count):
        rows = slice(frame * size, (frame + 1) * size)
        dense[rows, rows] += blocks[frame] + 0.1 * np.diag(np.diag(blocks[frame]))
    found = _solve(blocks, coupling, scale, 0.1, gradient)
    np.testing.assert_allclose(found.reshape(-1), np.linalg.solve(dense, gradient.reshape(-1)), rtol=1e-6, atol=1e-9)


def test_times_must_increase(track):
    objective, _, guess, evidence, seconds = track
    with pytest.raises(ValueError, match="increase"):
        refine_track(objective, guess, evidence, seconds[::-1])
