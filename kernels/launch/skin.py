"""Bodies from parameters to vertices on a device; the CPU path is `kernels.skin`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import Device, DeviceArray, blocks
from kernels.skin import SkinMesh

JOINTS = 24
MOST_SHAPES = 32
_BODIES_PER_BLOCK = 8


@dataclass(frozen=True, slots=True)
class DeviceSkinMesh:
    """`SkinMesh` on a device, uploaded once."""

    template: DeviceArray
    shape_dirs: DeviceArray
    weights: DeviceArray
    offsets: DeviceArray
    offset_dirs: DeviceArray
    bind_joints: DeviceArray
    bind_joint_dirs: DeviceArray
    bind_to_tpose: DeviceArray
    parents: DeviceArray
    tree_depths: DeviceArray
    levels: int

    @classmethod
    def upload(cls, mesh: SkinMesh, device: Device, stream: Any = None) -> DeviceSkinMesh:
        """Copies ``mesh``. Raises ValueError where it has more than 32 shape coefficients."""
        if len(mesh.shape_dirs) > MOST_SHAPES:
            raise ValueError(f"the mesh has {len(mesh.shape_dirs)} shape coefficients, the kernel takes {MOST_SHAPES}")
        depths = mesh.tree_depths
        arrays = {
            field.name: np.asarray(getattr(mesh, field.name), np.int32 if field.name == "parents" else np.float32)
            for field in fields(mesh)
        }
        copies = {name: device.upload(array, stream) for name, array in (arrays | {"tree_depths": depths}).items()}
        return cls(**copies, levels=int(depths.max()) + 1)

    @property
    def shape_count(self) -> int:
        return self.shape_dirs.shape[0]

    @property
    def vertex_count(self) -> int:
        return self.template.shape[1]


def body_transforms(
    pose: DeviceArray, betas: DeviceArray, translation: DeviceArray, mesh: DeviceSkinMesh, *, stream: Any = None
) -> tuple[DeviceArray, DeviceArray]:
    """Transforms (B, 24, 3, 4) and joints (B, 24, 3), float32; arguments as in the CPU path, float32."""
    check_array("pose", pose, ("B", JOINTS, 3), np.float32)
    count = pose.shape[0]
    check_array("betas", betas, (count, mesh.shape_count), np.float32)
    check_array("translation", translation, (count, 3), np.float32)
    device = one_device(pose=pose, betas=betas, translation=translation, mesh=mesh.template)
    transforms = device.empty((count, JOINTS, 3, 4), np.float32, stream)
    joints = device.empty((count, JOINTS, 3), np.float32, stream)
    device.launch(
        "skin",
        "body_transforms",
        grid=(count, 1, 1),
        block=(32, 1, 1),
        stream=stream,
        pose=pose,
        betas=betas,
        translation=translation,
        offsets=mesh.offsets,
        offset_dirs=mesh.offset_dirs,
        bind_joints=mesh.bind_joints,
        bind_joint_dirs=mesh.bind_joint_dirs,
        bind_to_tpose=mesh.bind_to_tpose,
        parents=mesh.parents,
        tree_depths=mesh.tree_depths,
        transforms=transforms,
        joints=joints,
        shape_count=mesh.shape_count,
        levels=mesh.levels,
    )
    return transforms, joints


def skin(
    transforms: DeviceArray,
    betas: DeviceArray,
    mesh: DeviceSkinMesh,
    *,
    out: DeviceArray | None = None,
    stream: Any = None,
) -> DeviceArray:
    """Vertices (B, V, 3) float32, into ``out`` where given; transforms (B, 24, 3, 4) and betas (B, S), float32."""
    check_array("transforms", transforms, ("B", JOINTS, 3, 4), np.float32)
    count = transforms.shape[0]
    check_array("betas", betas, (count, mesh.shape_count), np.float32)
    device = one_device(transforms=transforms, betas=betas, mesh=mesh.template)
    if out is None:
        out = device.empty((count, mesh.vertex_count, 3), np.float32, stream)
    check_array("out", out, (count, mesh.vertex_count, 3), np.float32)
    device.launch(
        "skin",
        "skin",
        grid=(blocks(mesh.vertex_count, 128), blocks(count, _BODIES_PER_BLOCK), 1),
        block=(128, 1, 1),
        stream=stream,
        transforms=transforms,
        betas=betas,
        mesh=mesh.template,
        shape_dirs=mesh.shape_dirs,
        weights=mesh.weights,
        vertices=out,
        body_count=count,
        vertex_count=mesh.vertex_count,
        shape_count=mesh.shape_count,
    )
    return out
