"""Skinning and kinematics against a plain loop in float64, and errors in words."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engines.body import BodyModelError, load_body
from engines.keypoints import JOINT_PARENTS

BODY = load_body()
rng = np.random.default_rng(2)


def plain_loop(pose: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equations of the module, one joint and one body at a time, float64."""
    template, weights = BODY.v_template.astype(np.float64), BODY.weights.astype(np.float64)
    v = template + BODY.shapedirs.astype(np.float64) @ betas
    j = BODY.joints_template.astype(np.float64) + BODY.joints_shapedirs.astype(np.float64) @ betas
    turn, place = [], []
    for joint, parent in enumerate(JOINT_PARENTS):
        local = Rotation.from_rotvec(pose[joint]).as_matrix()
        if parent < 0:
            turn.append(local)
            place.append(translation)
        else:
            turn.append(turn[parent] @ local)
            place.append(place[parent] + turn[parent] @ BODY.bind_to_tpose[parent] @ (j[joint] - j[parent]))
    out = np.zeros_like(v)
    for joint in range(24):
        moved = (v - j[joint]) @ (turn[joint] @ BODY.bind_to_tpose[joint]).T + place[joint]
        out += weights[:, joint : joint + 1] * moved
    return out, np.array(place)


def random_bodies(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    place = rng.normal(size=(count, 3)) + np.array([0, 0, 3])
    return rng.normal(size=(count, 24, 3)) * 0.6, rng.normal(size=(count, 10)), place


def test_forward_is_the_plain_loop() -> None:
    pose, betas, translation = random_bodies(3)
    posed = BODY.forward(pose, betas, translation)
    for k in range(3):
        vertices, joints = plain_loop(pose[k], betas[k], translation[k])
        np.testing.assert_allclose(posed.vertices[k], vertices, atol=1e-5)
        np.testing.assert_allclose(posed.joints[k], joints, atol=1e-5)


def test_joints_alone_are_forwards_joints() -> None:
    arguments = random_bodies(4)
    np.testing.assert_array_equal(BODY.joints(*arguments), BODY.forward(*arguments, level=2).joints)


def test_transforms_carry_bind_points_along() -> None:
    pose, betas, translation = random_bodies(2)
    posed = BODY.forward(pose, betas, translation)
    bind = BODY.joints_template + np.einsum("jcs,bs->bjc", BODY.joints_shapedirs, betas)
    carried = np.einsum("bjac,bjc->bja", posed.transforms[..., :3, :3], bind) + posed.transforms[..., :3, 3]
    np.testing.assert_allclose(carried, posed.joints, atol=1e-5)
    np.testing.assert_array_equal(posed.transforms[..., 3, :], np.broadcast_to([0, 0, 0, 1], (2, 24, 4)))


def test_rest_joints_are_the_zero_pose() -> None:
    betas = rng.normal(size=(3, 10))
    rest = BODY.joints_rest(betas)
    np.testing.assert_allclose(rest, BODY.joints(np.zeros((24, 3)), betas, rest[:, 0]), atol=1e-6)


def test_matrices_and_vectors_agree_and_inputs_survive() -> None:
    pose, betas, translation = random_bodies(2)
    kept = [array.copy() for array in (pose, betas, translation)]
    matrices = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(2, 24, 3, 3)
    np.testing.assert_allclose(
        BODY.forward(matrices, betas, translation, 2).vertices,
        BODY.forward(pose, betas, translation, 2).vertices,
        atol=1e-5,
    )
    for array, copy in zip((pose, betas, translation), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_single_body_and_broadcast() -> None:
    pose, betas, translation = random_bodies(3)
    one = BODY.forward(pose[0], betas[0], translation[0], level=2)
    assert one.vertices.shape == (1, BODY.level_sizes[2], 3)
    many = BODY.joints(pose, betas[:1], translation[0])
    np.testing.assert_allclose(many[:1], one.joints, atol=1e-6)


def test_translation_moves_rigidly() -> None:
    pose, betas, _ = random_bodies(1)
    here = BODY.forward(pose, betas, np.zeros(3), 2).vertices
    there = BODY.forward(pose, betas, np.array([1.0, 2.0, 3.0]), 2).vertices
    np.testing.assert_allclose(there - here, np.broadcast_to([1, 2, 3], here.shape), atol=1e-5)


@pytest.mark.parametrize(
    ("pose", "betas", "translation", "words"),
    [
        ((1, 23, 3), (1, 10), (1, 3), r"pose has shape \(1, 23, 3\)"),
        ((1, 24, 4), (1, 10), (1, 3), "rotation vectors or"),
        ((1, 24, 3), (1, 12), (1, 3), r"betas has shape \(1, 12\).*pass betas\[:, :10\]"),
        ((1, 24, 3), (1, 10), (1, 2), "translation has shape"),
        ((2, 24, 3), (3, 10), (1, 3), "batch sizes differ: 2 poses, 3 betas"),
    ],
)
def test_shapes_that_do_not_fit(pose: tuple, betas: tuple, translation: tuple, words: str) -> None:
    with pytest.raises(BodyModelError, match=words):
        BODY.forward(np.zeros(pose), np.zeros(betas), np.zeros(translation))


def test_levels_that_are_not_there() -> None:
    with pytest.raises(BodyModelError, match=r"level is 3, .* levels 0 to 2"):
        BODY.forward(np.zeros((24, 3)), np.zeros(10), np.zeros(3), level=3)
    with pytest.raises(BodyModelError, match="level 0 is the finest"):
        BODY.upsample(np.zeros((BODY.level_sizes[0], 3)), 0, 1)
    with pytest.raises(BodyModelError, match=r"shape \(5, 3\), level 0 has"):
        BODY.downsample(np.zeros((5, 3)), 0, 1)
    with pytest.raises(BodyModelError, match="landmarks need"):
        BODY.coco(np.zeros((1, 100, 3)))
