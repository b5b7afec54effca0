"""Bodies pulled onto points: the picture's error shrinks, depth survives, and nonsense is left alone."""

from dataclasses import replace

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import Figures, Skeleton, image_points
from engines.fitting.consistency import Consistency
from engines.fitting.image_evidence import ImageEvidence

CAMERA = Intrinsics(fx=900, fy=900, cx=640, cy=360)
COUNT = 6


@pytest.fixture(scope="module")
def scene():
    """People in ordinary poses, what the camera sees of them, and a network's guess that is some degrees off."""
    body, rng = load_body(), np.random.default_rng(5)
    pose = rng.normal(0, 0.12, (COUNT, 24, 3))
    pose[:, 16, 2] -= 1.1
    pose[:, 17, 2] += 1.1
    pose[:, 0] = (np.pi, 0, 0)
    betas = rng.normal(0, 0.7, (COUNT, 10))
    place = np.array([0.0, 0.0, 4.0]) + rng.normal(0, 0.3, (COUNT, 3))
    figures = Figures.of(pose, betas, place)
    cloud = image_points(body).places(figures, Skeleton(body).pose(figures))
    seen = np.concatenate((CAMERA.project(cloud), np.full((COUNT, 41, 1), 0.7)), -1)
    evidence = ImageEvidence.of(seen, cloud[..., 2] - place[:, None, 2], [CAMERA] * COUNT, seen[:, 17, :2], 3.0)
    guess = pose + rng.normal(0, 0.12, pose.shape)
    return body, guess, betas, place + np.array([0.03, 0.03, 0.1]), evidence, cloud, seen


def _errors(body, pose, betas, place, cloud, seen):
    figures = Figures.of(pose, betas, place)
    found = image_points(body).places(figures, Skeleton(body).pose(figures))
    inside = np.linalg.norm((found - found[:, 17:18]) - (cloud - cloud[:, 17:18]), axis=-1).mean()
    return np.linalg.norm(CAMERA.project(found) - seen[..., :2], axis=-1).mean(), inside


def test_follows_points_and_gets_nearer_in_space(scene):
    body, guess, betas, place, evidence, cloud, seen = scene
    pixels, metres = _errors(body, guess, betas, place, cloud, seen)
    pose, moved = Consistency(body).pull_to_points(guess, betas, place, evidence)
    pixels_after, metres_after = _errors(body, pose, betas, moved, cloud, seen)
    assert pixels_after < 0.4 * pixels
    assert metres_after < 0.9 * metres


def test_an_outlier_moves_next_to_nothing(scene):
    body, guess, betas, place, evidence, *_ = scene
    wild = evidence.points_px.copy()
    wild[:, [9, 37]] += 400.0
    consistency = Consistency(body)
    missing = evidence.weight.copy()
    missing[:, [9, 37]] = 0
    # Depths of the two points stay: only the picture's are compared.
    clean = consistency.pull_to_points(guess, betas, place, replace(evidence, weight=missing))
    spoilt = consistency.pull_to_points(guess, betas, place, replace(evidence, points_px=wild))
    assert np.abs(clean[0] - spoilt[0]).max() < 0.05
    assert np.abs(clean[1] - spoilt[1]).max() < 0.02


def test_a_batch_is_its_people(scene):
    body, guess, betas, place, evidence, *_ = scene
    consistency = Consistency(body)
    together = consistency.pull_to_points(guess, betas, place, evidence)
    for row in range(COUNT):
        one = slice(row, row + 1)
        alone = consistency.pull_to_points(guess[one], betas[one], place[one], evidence.rows(np.array([row])))
        np.testing.assert_allclose(alone[0][0], together[0][row], atol=1e-5)
        np.testing.assert_allclose(alone[1][0], together[1][row], atol=1e-5)


def test_far_and_near_pictures_are_pulled_alike(scene):
    """Half the pixels on half the focal length: the same bodies."""
    body, guess, betas, place, evidence, *_ = scene
    half = replace(
        evidence,
        points_px=evidence.points_px / 2,
        focal_px=evidence.focal_px / 2,
        principal_px=evidence.principal_px / 2,
    )
    consistency = Consistency(body)
    np.testing.assert_allclose(
        consistency.pull_to_points(guess, betas, place, half)[0],
        consistency.pull_to_points(guess, betas, place, evidence)[0],
        atol=1e-5,
    )


def test_without_points_the_place_stays(scene):
    body, guess, betas, place, *_ = scene
    nothing = ImageEvidence.of(np.full((COUNT, 41, 3), np.nan), None, [CAMERA] * COUNT, np.zeros((COUNT, 2)), 3.0)
    pose, moved = Consistency(body).pull_to_points(guess, betas, place, nothing)
    np.testing.assert_allclose(moved, place, atol=1e-6)
    assert np.isfinite(pose).all()


def test_evidence_of_landmarks_alone(scene):
    *_, seen = scene
    evidence = ImageEvidence.of(seen[:, :17], None, [CAMERA] * COUNT, seen[:, 17, :2], 1.0)
    assert (evidence.weight[:, :17] > 0).all() and (evidence.weight[:, 17:] == 0).all()
    with pytest.raises(ValueError, match="landmarks alone"):
        ImageEvidence.of(seen[:, :5], None, [CAMERA] * COUNT, seen[:, 17, :2], 1.0)
