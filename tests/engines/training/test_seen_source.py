"""Figures of the image stage: none for the truth, and each grows with its own kind of error."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.networks.bilayer import BodyPrediction
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.hourglass import Trunk, TrunkPreset
from engines.training.factory.shards import read_shard
from engines.training.seen_source import seen_errors
from engines.training.trunk_cache import see
from tests.engines.training.rendered_people import write_people


class Answer(torch.nn.Module):
    """The truth, one elbow bent by ``bend`` radians and all of it moved by ``shift`` crop units."""

    def __init__(self, body, people, bend=0.0, shift=0.0):
        super().__init__()
        rotations = people.rotations.copy()
        rotations[:, 18] = rotations[:, 18] @ rotation_matrices(np.array((0, bend, 0)))
        rotations, betas, place = (torch.from_numpy(x).float() for x in (rotations, people.betas, people.translation))
        turns, joints = body.chain(rotations, betas)
        scale = place[:, 2:] * torch.from_numpy(people.half_tan)
        camera = torch.cat((scale.log(), place[:, :2] / scale + shift), 1)
        landmarks = body.landmarks(turns, joints, betas)
        self.body = BodyPrediction(rotations, betas, camera, turns, joints, landmarks)

    def forward(self, points, camera, features, *, use_mesh=True):
        return [self.body, self.body]


def test_each_figure_grows_with_its_own_error(tmp_path):
    write_people(tmp_path, 6)
    preset = TrunkPreset(stacks=1, width=16, levels=1, stem_width=16, depth_bins=4, input_px=64)
    people = see(Trunk(preset).eval(), read_shard(tmp_path / "train-0000.npz"), np.random.default_rng(0))
    body = Kinematics(load_body())
    right = seen_errors(Answer(body, people), body, people)
    # Mirrored people are mirror images but for the body's own asymmetry.
    assert right["seen"] < 1e-2 and right["pve"] < 1e-2 and right["image"] < 1.5
    bent = seen_errors(Answer(body, people, bend=1.0), body, people)
    assert bent["seen"] > 5 and bent["worst"] > 3 * bent["pve"] > 3
    moved = seen_errors(Answer(body, people, shift=0.1), body, people)
    assert moved["image"] > right["image"] + 5 and moved["seen"] == pytest.approx(right["seen"], abs=1e-3)
