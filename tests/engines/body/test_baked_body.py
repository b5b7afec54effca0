"""The baked body file: surface, levels, T-pose, symmetry, joints, landmarks."""

import numpy as np
import pytest

from engines.body import load_body
from engines.body.loading import SHIPPED
from engines.keypoints import COCO_NAMES, JOINT_MIRROR, JOINT_NAMES, JOINT_PARENTS, PART_NAMES, mirror_permutation
from tests.engines.body.closed_mesh import euler_characteristic, is_connected, volume

BODY = load_body(SHIPPED)
ZERO, MEAN, ORIGIN = np.zeros((1, 24, 3)), np.zeros((1, 10)), np.zeros((1, 3))
FLIP = np.array([-1, 1, 1])
rng = np.random.default_rng(1)


def at(name: str, joints: np.ndarray) -> np.ndarray:
    return joints[JOINT_NAMES.index(name)]


def test_sizes_are_not_smpls() -> None:
    assert len(BODY.level_sizes) == 3
    for size, about in zip(BODY.level_sizes, (7000, 1750, 440), strict=True):
        assert abs(size - about) <= 0.01 * about
    assert BODY.level_sizes[0] != 6890


@pytest.mark.parametrize("level", [0, 1, 2])
def test_levels_are_closed_connected_and_of_genus_0(level: int) -> None:
    faces = BODY.faces[level]
    assert euler_characteristic(faces) == 2
    assert is_connected(faces)
    assert len(np.unique(faces)) == BODY.level_sizes[level]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_faces_look_outwards_and_levels_enclose_the_same_body(level: int) -> None:
    litres = [1000 * volume(BODY.forward(ZERO, MEAN, ORIGIN, k).vertices[0], BODY.faces[k]) for k in (0, level)]
    assert 50 < litres[0] < 100
    assert litres[1] == pytest.approx(litres[0], rel=0.06)


def test_levels_are_nested() -> None:
    for rows in BODY.down:
        assert rows.index.shape[1] == 1 and (rows.weight == 1).all()
        assert (np.diff(rows.index[:, 0]) > 0).all()
    pose, betas = rng.normal(size=(3, 24, 3)) * 0.4, rng.normal(size=(3, 10))
    fine = BODY.forward(pose, betas, ORIGIN).vertices
    for level in (1, 2):
        posed = BODY.forward(pose, betas, ORIGIN, level).vertices
        np.testing.assert_allclose(BODY.downsample(fine, 0, level), posed, atol=1e-5)


def test_upsampling_keeps_what_both_levels_have() -> None:
    fine = BODY.forward(rng.normal(size=(1, 24, 3)) * 0.4, rng.normal(size=(1, 10)), ORIGIN).vertices
    for level in (1, 2):
        coarse = BODY.downsample(fine, 0, level)
        np.testing.assert_allclose(BODY.downsample(BODY.upsample(coarse, level, 0), 0, level), coarse, atol=1e-6)


# Mean and maximum, metres: above what the bake prints by a fifth; the maximum is where a pose bends most.
UPSAMPLING = {(1, 0): (0.0012, 0.018), (2, 1): (0.0025, 0.045), (2, 0): (0.0030, 0.045)}


@pytest.mark.parametrize(("coarse", "fine"), UPSAMPLING)
def test_upsampling_error_and_its_maximum(coarse: int, fine: int) -> None:
    """Random shapes and poses; the surface is never pulled across a gap."""
    pose, betas = rng.normal(size=(12, 24, 3)) * 0.3, rng.normal(size=(12, 10))
    pose[:, [10, 11, 22, 23]] = 0
    true = BODY.forward(pose, betas, ORIGIN, fine).vertices
    error = np.linalg.norm(
        BODY.upsample(BODY.forward(pose, betas, ORIGIN, coarse).vertices, coarse, fine) - true, axis=-1
    )
    mean, largest = UPSAMPLING[coarse, fine]
    assert error.mean() < mean
    assert error.max() < largest


def test_upsampling_does_not_amplify_noise() -> None:
    noise = rng.normal(size=(20, BODY.level_sizes[2], 3))
    assert BODY.upsample(noise, 2, 0).std() < 1.0


def test_zero_pose_is_a_t_pose() -> None:
    joints = BODY.joints(ZERO, MEAN, ORIGIN)[0]
    for side, out in (("left", 1), ("right", -1)):
        for start, end, direction in (
            ("hip", "knee", (0, -1, 0)),
            ("knee", "ankle", (0, -1, 0)),
            ("shoulder", "elbow", (out, 0, 0)),
            ("elbow", "wrist", (out, 0, 0)),
            ("wrist", "hand", (out, 0, 0)),
        ):
            bone = at(f"{side}_{end}", joints) - at(f"{side}_{start}", joints)
            np.testing.assert_allclose(bone / np.linalg.norm(bone), direction, atol=2e-4)
        foot = at(f"{side}_foot", joints) - at(f"{side}_ankle", joints)
        assert abs(foot[0]) < 1e-4 and foot[2] > 0.1


def test_left_is_plus_x_and_the_face_looks_to_plus_z() -> None:
    vertices = BODY.forward(ZERO, MEAN, ORIGIN).vertices
    landmarks = dict(zip(COCO_NAMES, BODY.coco(vertices)[0], strict=True))
    assert landmarks["left_wrist"][0] > 0.5 and landmarks["right_wrist"][0] < -0.5
    assert landmarks["nose"][2] > landmarks["left_eye"][2] > landmarks["left_ear"][2]
    assert landmarks["nose"][1] < landmarks["left_eye"][1]
    head = at("head", BODY.joints(ZERO, MEAN, ORIGIN)[0])
    assert landmarks["nose"][1] > head[1] and landmarks["left_ankle"][1] < -0.7


def test_pi_about_x_stands_upright_and_faces_the_camera() -> None:
    pose = ZERO.copy()
    pose[0, 0, 0] = np.pi
    place = np.array([[0.3, -0.1, 4.0]])
    posed = BODY.forward(pose, MEAN, place)
    landmarks = dict(zip(COCO_NAMES, BODY.coco(posed.vertices)[0], strict=True))
    np.testing.assert_allclose(posed.joints[:, 0], place, atol=1e-6)
    assert landmarks["nose"][1] < landmarks["left_ankle"][1]  # y runs down the picture
    assert landmarks["nose"][2] < landmarks["left_ear"][2]  # nearer to the camera
    assert landmarks["left_wrist"][0] > landmarks["right_wrist"][0]  # its left is at the right of the picture


def test_left_and_right_mirror_each_other() -> None:
    mirror = np.array(JOINT_MIRROR)
    np.testing.assert_allclose(BODY.joints_template[mirror] * FLIP, BODY.joints_template, atol=1e-6)
    pose, betas = rng.normal(size=(4, 24, 3)) * 0.5, rng.normal(size=(4, 10))
    mirrored = pose[:, mirror] * (1, -1, -1)
    joints = BODY.joints(pose, betas, ORIGIN)
    np.testing.assert_allclose(BODY.joints(mirrored, betas, ORIGIN)[:, mirror] * FLIP, joints, atol=1e-5)
    swap = np.array(mirror_permutation(COCO_NAMES))
    landmarks = BODY.coco(BODY.forward(pose, betas, ORIGIN).vertices)
    other = BODY.coco(BODY.forward(mirrored, betas, ORIGIN).vertices)[:, swap] * FLIP
    np.testing.assert_allclose(other, landmarks, atol=1e-5)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_meshes_are_their_own_mirror_image(level: int) -> None:
    from scipy.spatial import cKDTree

    vertices = BODY.downsample(BODY.v_template, 0, level)
    distance, twin = cKDTree(vertices).query(vertices * FLIP)
    assert distance.max() < 1e-5
    triangles = {tuple(sorted(t)) for t in BODY.faces[level].tolist()}
    assert {tuple(sorted(t)) for t in twin[BODY.faces[level]].tolist()} == triangles


def test_proportions_are_human_over_the_range_of_betas() -> None:
    for beta in np.concatenate([np.eye(10), -np.eye(10)]) * 3:
        vertices = BODY.forward(ZERO, beta[None], ORIGIN).vertices[0]
        height = np.ptp(vertices[:, 1])
        assert 1.2 < height < 2.3
        joints = BODY.joints_rest(beta)[0]
        bones = np.linalg.norm(joints[1:] - joints[list(JOINT_PARENTS[1:])], axis=1)
        assert bones.min() > 0.01


def test_weights_and_regressor_are_averages() -> None:
    assert BODY.weights.min() >= 0 and BODY.coco_regressor.weight.min() >= 0
    np.testing.assert_allclose(BODY.weights.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(BODY.coco_regressor.weight.sum(1), 1, atol=1e-5)
    for rows in BODY.up:
        np.testing.assert_allclose(rows.weight.sum(1), 1, atol=1e-4)


def test_landmarks_are_local() -> None:
    """The vertices of a landmark lie together: it stays right when the body bends elsewhere."""
    vertices = BODY.v_template
    for row, name in enumerate(COCO_NAMES):
        used = BODY.coco_regressor.index[row][BODY.coco_regressor.weight[row] > 0]
        assert np.ptp(vertices[used], axis=0).max() < 0.35, name


@pytest.mark.parametrize("level", [0, 1, 2])
def test_parts(level: int) -> None:
    parts = BODY.parts(level)
    assert set(parts.tolist()) == set(range(1, len(PART_NAMES)))
    vertices = BODY.downsample(BODY.v_template, 0, level)
    for part, name in enumerate(PART_NAMES):
        if part and name.startswith(("left", "right")):
            assert (np.sign(vertices[parts == part, 0]) == (1 if name.startswith("left") else -1)).all(), name


def test_identity_names_the_content() -> None:
    name, version, digest = BODY.identity.rsplit("-", 2)
    assert name == "bodystream-body" and version.isdigit() and len(digest) == 12
