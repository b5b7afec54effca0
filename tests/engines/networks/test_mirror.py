"""Means of what is said of points and of their mirror image, against bodies posed the other way round."""

import numpy as np
import pytest
import torch

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import JOINT_MIRROR, POINT_NAMES
from engines.networks.bilayer import project
from engines.networks.mirror import mean, mean_cloud, mean_placement, mean_rotations, with_mirror
from tests.engines.networks.mirror_images import mirrored_turns

COUNT = 4
RNG = np.random.default_rng(3)
POSE = RNG.normal(0, 0.5, (COUNT, 24, 3)).astype(np.float32)
MIRRORED_POSE = POSE[:, list(JOINT_MIRROR)] * np.array((1, -1, -1), np.float32)
"""An axis turns with the mirror, and about it everything turns the other way."""
BETAS = RNG.normal(0, 1, (COUNT, 10)).astype(np.float32)
PLACEMENT = torch.from_numpy(RNG.normal(0, 0.3, (COUNT, 3)).astype(np.float32))
MIRRORED_PLACEMENT = torch.stack((PLACEMENT[:, 0], -PLACEMENT[:, 1], PLACEMENT[:, 2]), 1)


def cloud(pose: np.ndarray) -> torch.Tensor:
    body = load_body()
    posed = body.forward(pose, BETAS, np.zeros((COUNT, 3), np.float32))
    return torch.from_numpy(np.concatenate((body.coco(posed.vertices), posed.joints), 1))


def rotations(pose: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rotation_matrices(pose))


def angles(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Between rotations, in radians."""
    return 2 * torch.asin(((one - other).flatten(-2).norm(dim=-1) / 8**0.5).clamp(max=1))


def other_way_round(values: torch.Tensor) -> torch.Tensor:
    """The two halves of a batch, swapped."""
    return values.roll(len(values) // 2, 0)


def test_points_come_first_and_mirrored_twice_they_are_the_same():
    points = torch.rand(COUNT, 41, 5, generator=torch.Generator().manual_seed(0)) - 0.5
    both = with_mirror(points)
    assert both.shape == (2 * COUNT, 41, 5)
    torch.testing.assert_close(both[:COUNT], points, atol=0, rtol=0)
    torch.testing.assert_close(with_mirror(both[COUNT:])[COUNT:], points, atol=0, rtol=0)


def test_in_the_mirror_a_left_wrist_is_a_right_one_on_the_other_side():
    points = torch.zeros(1, 41, 5)
    for prefix in ("", "joint_"):
        points[0, POINT_NAMES.index(f"{prefix}left_wrist")] = torch.tensor((0.3, 0.2, 0.9, 0.1, 1.0))
        points[0, POINT_NAMES.index(f"{prefix}right_wrist")] = torch.tensor((-0.1, 0.4, 0.5, -0.2, 0.0))
    points[0, POINT_NAMES.index("nose")] = torch.tensor((0.05, -0.6, 1.0, 0.0, 1.0))
    seen = with_mirror(points)[1]
    for prefix in ("", "joint_"):
        assert seen[POINT_NAMES.index(f"{prefix}right_wrist")].tolist() == pytest.approx((-0.3, 0.2, 0.9, 0.1, 1.0))
        assert seen[POINT_NAMES.index(f"{prefix}left_wrist")].tolist() == pytest.approx((0.1, 0.4, 0.5, -0.2, 0.0))
    assert seen[POINT_NAMES.index("nose")].tolist() == pytest.approx((-0.05, -0.6, 1.0, 0.0, 1.0))


def test_a_body_posed_the_other_way_round_is_the_mirror_image():
    torch.testing.assert_close(with_mirror(cloud(POSE))[COUNT:], cloud(MIRRORED_POSE), atol=1e-6, rtol=0)


def test_a_symmetric_answer_is_given_back():
    found, half_tan = cloud(POSE), torch.full((COUNT, 1), 0.3)
    torch.testing.assert_close(mean_cloud(torch.cat((found, cloud(MIRRORED_POSE)))), found, atol=1e-6, rtol=0)
    both = torch.cat((rotations(POSE), rotations(MIRRORED_POSE)))
    torch.testing.assert_close(mean_rotations(both), rotations(POSE), atol=1e-6, rtol=0)
    # The mirrored placement is that of the mirrored body: it lies where the picture's mirror image has it.
    image = project(found, PLACEMENT, half_tan)
    mirrored = project(cloud(MIRRORED_POSE), MIRRORED_PLACEMENT, half_tan)
    torch.testing.assert_close(mirrored, with_mirror(image)[COUNT:], atol=1e-5, rtol=0)
    torch.testing.assert_close(mean_placement(torch.cat((PLACEMENT, MIRRORED_PLACEMENT))), PLACEMENT)
    betas = torch.from_numpy(BETAS)
    torch.testing.assert_close(mean(torch.cat((betas, betas))), betas)


def test_answers_that_err_apart_meet_in_the_middle():
    error = 0.1 * torch.randn(COUNT, 41, 3, generator=torch.Generator().manual_seed(1))
    found, betas = cloud(POSE), torch.from_numpy(BETAS)
    # Where one is too far out the other is too far in, as much.
    apart = torch.cat((found + error, with_mirror(found - error)[COUNT:]))
    torch.testing.assert_close(mean_cloud(apart), found, atol=1e-6, rtol=0)
    error = 0.1 * torch.randn(COUNT, 10, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(mean(torch.cat((betas + error, betas - error))), betas, atol=1e-6, rtol=0)
    place = torch.cat((PLACEMENT + 0.1, MIRRORED_PLACEMENT - torch.tensor((0.1, -0.1, 0.1))))
    torch.testing.assert_close(mean_placement(place), PLACEMENT, atol=1e-6, rtol=0)


@pytest.mark.parametrize("apart", [0.01, 0.3, 1.0, 1.5])
def test_the_mean_of_two_rotations_is_a_rotation_between_them(apart):
    """`apart`: radians between the two, about any axis."""
    rng = np.random.default_rng(4)
    one = rotation_matrices(rng.normal(0, 1, (COUNT, 24, 3)))
    axes = rng.normal(size=(COUNT, 24, 3))
    other = one @ rotation_matrices(apart * axes / np.linalg.norm(axes, axis=-1, keepdims=True))
    one, other = torch.from_numpy(one), torch.from_numpy(other)
    found = mean_rotations(torch.cat((one, mirrored_turns(other))))
    torch.testing.assert_close(found @ found.mT, torch.eye(3).to(found).expand_as(found), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(found), torch.ones(COUNT, 24).to(found), atol=1e-6, rtol=0)
    torch.testing.assert_close(angles(one, other), torch.full((COUNT, 24), apart).to(found), atol=1e-6, rtol=0)
    for end in (one, other):
        # Of the three axes the third follows from the means of two: not the midpoint, but near it.
        assert (angles(found, end) < 0.75 * apart).all()
        assert angles(found, end).mean() == pytest.approx(apart / 2, rel=0.1)


def test_asked_of_the_mirror_image_the_means_are_mirrored():
    clouds = torch.randn(2 * COUNT, 41, 3, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(mean_cloud(other_way_round(clouds)), with_mirror(mean_cloud(clouds))[COUNT:])
    pose = np.random.default_rng(6).normal(0, 0.5, (2 * COUNT, 24, 3)).astype(np.float32)
    pose[:, 0] *= 0.5  # None faces another way in the mirror.
    turns = rotations(pose)
    mirrored = mirrored_turns(mean_rotations(turns))
    torch.testing.assert_close(mean_rotations(other_way_round(turns)), mirrored, atol=1e-6, rtol=0)
    places = torch.cat((PLACEMENT, PLACEMENT.flip(0)))
    mirrored = mean_placement(places) * torch.tensor((1.0, -1.0, 1.0))
    torch.testing.assert_close(mean_placement(other_way_round(places)), mirrored)


def test_of_two_that_face_opposite_ways_the_first_counts():
    back = POSE.copy()
    back[:2, 0] = (0, 3.0, 0)
    front = POSE.copy()
    front[:2, 0] = 0
    mirrored = back[:, list(JOINT_MIRROR)] * np.array((1, -1, -1), np.float32)
    found = mean_rotations(torch.cat((rotations(front), rotations(mirrored))))
    torch.testing.assert_close(found[:2], rotations(front)[:2], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[2:], rotations(POSE)[2:], atol=1e-5, rtol=0)
