"""Skinned bodies against a float64 formula, the CPU path and the body model."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engines.body import load_body
from engines.body.skin_mesh import skin_mesh
from kernels import skin as cpu
from kernels.launch.skin import DeviceSkinMesh, body_transforms, skin

PARENTS = np.array([-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21], np.int32)
METRES = 2e-5
"""float32 along a chain of up to nine joints."""


def made_up_mesh(vertices, shapes, seed=0):
    """No body: arrays of the right sizes, every entry different, some joints without influence."""
    rng = np.random.default_rng(seed)
    weights = rng.random((24, vertices)) * (rng.random((24, vertices)) < 0.2)
    weights[0] += 0.1
    arrays = {
        "template": rng.normal(size=(3, vertices)),
        "shape_dirs": rng.normal(size=(shapes, 3, vertices)) * 0.1,
        "weights": weights / weights.sum(0),
        "offsets": rng.normal(size=(24, 3)) * 0.2,
        "offset_dirs": rng.normal(size=(shapes, 24, 3)) * 0.02,
        "bind_joints": rng.normal(size=(24, 3)) * 0.5,
        "bind_joint_dirs": rng.normal(size=(shapes, 24, 3)) * 0.05,
        "bind_to_tpose": Rotation.random(24, random_state=seed).as_matrix(),
    }
    return cpu.SkinMesh(parents=PARENTS, **{name: array.astype(np.float32) for name, array in arrays.items()})


def parameters(count, shapes, seed=1):
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=(count, 24, 3)), rng.normal(size=(count, shapes)), rng.normal(size=(count, 3))
    return tuple(array.astype(np.float32) for array in arrays)


def in_float64(pose, betas, translation, mesh):
    """Joint by joint and vertex by vertex, as the body model's page has it."""
    rotations, joints, out = np.empty((24, 3, 3)), np.empty((24, 3)), np.zeros((mesh.template.shape[1], 3))
    shaped = (mesh.template + np.tensordot(betas.astype(float), mesh.shape_dirs, 1)).T
    for j, parent in enumerate(mesh.parents):
        local = Rotation.from_rotvec(pose[j].astype(float)).as_matrix()
        offset = mesh.offsets[j] + betas.astype(float) @ mesh.offset_dirs[:, j]
        rotations[j] = local if parent < 0 else rotations[parent] @ local
        joints[j] = translation if parent < 0 else joints[parent] + rotations[parent] @ offset
        rest = mesh.bind_joints[j] + betas.astype(float) @ mesh.bind_joint_dirs[:, j]
        turned = rotations[j] @ mesh.bind_to_tpose[j].astype(float)
        out += mesh.weights[j][:, None] * ((shaped - rest) @ turned.T + joints[j])
    return out, joints


def pose_bodies(device, pose, betas, translation, mesh):
    there = DeviceSkinMesh.upload(mesh, device)
    shape = device.upload(betas)
    transforms, joints = body_transforms(device.upload(pose), shape, device.upload(translation), there)
    return device.download(skin(transforms, shape, there)), device.download(joints)


@pytest.mark.parametrize(
    ("count", "vertices", "shapes"), [(1, 1, 1), (3, 130, 10), (9, 128, 10), (17, 5, 32), (2, 60, 0)]
)
def test_against_float64(device, count, vertices, shapes):
    mesh, arguments = made_up_mesh(vertices, shapes), parameters(count, shapes)
    found, joints = pose_bodies(device, *arguments, mesh)
    transforms, cpu_joints = cpu.body_transforms(*arguments, mesh)
    cpu_found = cpu.skin(transforms, arguments[1], mesh)
    for b in range(count):
        expected, expected_joints = in_float64(*(a[b] for a in arguments), mesh)
        for value, truth in (
            (found[b], expected),
            (cpu_found[b], expected),
            (joints[b], expected_joints),
            (cpu_joints[b], expected_joints),
        ):
            np.testing.assert_allclose(value, truth, atol=METRES)


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-4, 1e-3, 1.1e-3, 3.14159, 7.0])
def test_rotations_of_any_size(device, size):
    mesh, (_, betas, translation) = made_up_mesh(3, 2), parameters(1, 2)
    pose = np.full((1, 24, 3), size / np.sqrt(3), np.float32)
    found, _ = pose_bodies(device, pose, betas, translation, mesh)
    expected, _ = in_float64(pose[0], betas[0], translation[0], mesh)
    np.testing.assert_allclose(found[0], expected, atol=METRES)


@pytest.mark.parametrize("level", [1, 2])
def test_against_the_body_model(device, level):
    body = load_body()
    pose, betas, translation = parameters(2, 10)
    truth = body.forward(pose, betas, translation, level=level)
    found, joints = pose_bodies(device, pose, betas, translation, skin_mesh(body, level))
    np.testing.assert_allclose(found, truth.vertices, atol=METRES)
    np.testing.assert_allclose(joints, truth.joints, atol=METRES)


def test_nobody_is_no_error(device):
    found, _ = pose_bodies(device, *parameters(0, 4), made_up_mesh(7, 4))
    assert found.shape == (0, 7, 3)


def test_refusals(device):
    pose, betas, translation = (device.upload(a) for a in parameters(2, 4))
    there = DeviceSkinMesh.upload(made_up_mesh(7, 5), device)
    with pytest.raises(ValueError, match=r"betas must have shape \(2, 5\), got \(2, 4\)"):
        body_transforms(pose, betas, translation, there)
    with pytest.raises(ValueError, match="33 shape coefficients"):
        DeviceSkinMesh.upload(made_up_mesh(7, 33), device)
    with pytest.raises(ValueError, match="template has shape"):
        mesh = made_up_mesh(7, 4)
        cpu.SkinMesh(**{name: getattr(mesh, name) for name in mesh.__slots__} | {"template": np.zeros((3, 6))})
