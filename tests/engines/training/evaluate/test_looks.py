"""Averaging over looks: right answers stay right, errors with a side cancel in the mirror."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.networks.bilayer import BodyPrediction
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.evaluate.looks import WAYS, averaged_errors, mean_rotations
from engines.training.losses.body import Truth
from engines.training.synthetic_source import SyntheticSource
from engines.training.views import prepared_points, true_bodies
from tests.engines.training.rendered_people import write_people

SIZE = 64


def look(turn):
    """Answers the truth, the root turned by ``turn`` radians about the picture's vertical axis as it is seen."""

    def answer(batch):
        depth = np.zeros(batch.points.shape[:2])
        prepared = prepared_points(batch.points, depth, batch.shard, batch.rows, batch.views, SIZE)
        true = true_bodies(batch.shard, batch.rows, batch.views, prepared)
        rotations = true.rotations.copy()
        rotations[:, 0] = rotation_matrices(np.array((0, turn, 0))) @ rotations[:, 0]
        names = ("rotations", "betas", "translation", "image")
        truth = Truth(**{name: torch.from_numpy(getattr(true, name)) for name in names}, half_tan=torch.ones(1, 1))
        empty = torch.zeros(len(rotations), 0)
        guess = BodyPrediction(torch.from_numpy(rotations).float(), truth.betas, empty, empty, empty, empty)
        return guess, truth

    return answer


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_people(folder, 5, "val")
    return SyntheticSource(folder, "val")


def test_right_answers_stay_right_and_sided_errors_cancel(source):
    body = Kinematics(load_body())
    right = averaged_errors(look(0.0), body, source, 4, SIZE, tuple(WAYS))
    assert set(right) == {f"{way} {name}" for way in WAYS for name in ("pa12", "mpjpe", "pve")}
    assert max(right.values()) < 0.05
    turned = averaged_errors(look(0.3), body, source, 4, SIZE, tuple(WAYS))
    assert turned["one mpjpe"] > 30 and turned["scales mpjpe"] > 30
    assert turned["mirror mpjpe"] < 0.05 and turned["both mpjpe"] < 0.05


def test_the_mean_of_turns_to_either_side_is_none():
    rng = np.random.default_rng(0)
    vector = rng.normal(0, 0.5, (7, 3))
    both = np.stack((rotation_matrices(vector), rotation_matrices(-vector)))
    np.testing.assert_allclose(mean_rotations(both), np.broadcast_to(np.eye(3), (7, 3, 3)), atol=1e-6)
    np.testing.assert_allclose(mean_rotations(both[:1]), both[0], atol=1e-6)
    far = np.stack((rotation_matrices(np.array((0, 0, 3.0))), rotation_matrices(np.array((0, 0, -2.0)))))
    np.testing.assert_allclose(np.linalg.det(mean_rotations(far)), 1, atol=1e-6)
