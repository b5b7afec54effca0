"""People known by 2D labels alone: the bend prior, and that drawn labels are the labels."""

import numpy as np
import pytest
import torch

from engines.body.rotations import rotation_matrices
from engines.keypoints import JOINT_NAMES
from engines.training.flat_people import FlatPeople, unnatural_bends


@pytest.mark.parametrize(
    ("joint", "natural"),
    [
        ("left_knee", (1.5, 0, 0)),
        ("right_knee", (1.5, 0, 0)),
        ("left_elbow", (0, -1.5, 0)),
        ("right_elbow", (0, 1.5, 0)),
    ],
)
def test_only_backward_bends_cost(joint, natural):
    pose = np.zeros((2, 24, 3), np.float32)
    pose[0, JOINT_NAMES.index(joint)] = natural
    pose[1, JOINT_NAMES.index(joint)] = np.negative(natural)
    right, wrong = unnatural_bends(torch.from_numpy(rotation_matrices(pose)))
    assert right == 0
    assert wrong > 0.5


@pytest.fixture
def one_person(tmp_path):
    """Somebody standing, the left ankle not labelled."""
    x = [320, 325, 315, 332, 308, 350, 290, 360, 280, 365, 275, 338, 302, 340, 300, 0, 298]
    y = [100, 92, 92, 96, 96, 140, 140, 200, 200, 255, 255, 260, 260, 350, 350, 0, 440]
    visibility = np.full((1, 17), 2, np.uint8)
    visibility[0, 15] = 0
    path = tmp_path / "keypoints_only.npz"
    np.savez(
        path, keypoints_px=np.stack([x, y], -1)[None].astype(np.int16), visibility=visibility,
        image_wh=np.array([[640, 480]], np.int16),
    )  # fmt: skip
    return path


def test_labels_keep_their_shape_in_crop_units(one_person):
    batch = FlatPeople(one_person, seed=3).batch(64)
    assert batch.points.shape == (64, 41, 5)
    assert (batch.points[:, 17:] == 0).all()  # no joints are known
    missing = batch.weight == 0
    assert missing.sum() == 64  # the ankle, on whichever side the mirror put it
    # Corruption swaps sides now and then, and with them what is known.
    assert (batch.points[:, :17, 2][missing] == 0).float().mean() > 0.85
    shoulders = (batch.image[:, 5] - batch.image[:, 6]).norm(dim=-1)
    height = (batch.image[:, 11:13].mean(1) - batch.image[:, 5:7].mean(1)).norm(dim=-1)
    assert (shoulders / height).numpy() == pytest.approx(60 / 120, rel=0.03)
    assert (batch.image[:, 5, 1] < batch.image[:, 11, 1]).all()  # upright, also mirrored
