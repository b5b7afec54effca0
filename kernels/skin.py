"""Bodies from parameters to vertices: joint transforms, shape blending, linear blend skinning. CPU path.

Kernels know a body as plain arrays (`SkinMesh`); `engines.body.skin_mesh` makes them from a body model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class SkinMesh:
    """What skinning needs of a body model and one of its mesh levels; float32 and int32, metres, bind pose."""

    template: np.ndarray
    """(3, V): vertices of the mean body."""
    shape_dirs: np.ndarray
    """(S, 3, V): displacement per shape coefficient."""
    weights: np.ndarray
    """(24, V): skinning weights, columns sum to 1."""
    offsets: np.ndarray
    """(24, 3): from the parent joint to the joint, T-pose."""
    offset_dirs: np.ndarray
    """(S, 24, 3): the same per shape coefficient."""
    bind_joints: np.ndarray
    """(24, 3): joints of the mean body."""
    bind_joint_dirs: np.ndarray
    """(S, 24, 3): the same per shape coefficient."""
    bind_to_tpose: np.ndarray
    """(24, 3, 3)."""
    parents: np.ndarray
    """(24,): index of the parent joint, -1 at the root; parents come before their children."""

    def __post_init__(self) -> None:
        joints, vertices = self.weights.shape
        shapes = len(self.shape_dirs)
        wanted = {
            "template": (3, vertices),
            "shape_dirs": (shapes, 3, vertices),
            "weights": (24, vertices),
            "offsets": (joints, 3),
            "offset_dirs": (shapes, joints, 3),
            "bind_joints": (joints, 3),
            "bind_joint_dirs": (shapes, joints, 3),
            "bind_to_tpose": (joints, 3, 3),
            "parents": (joints,),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, it must be {shape}")

    @property
    def tree_depths(self) -> np.ndarray:
        """(24,) int32: joints above each joint."""
        depths = np.zeros(len(self.parents), np.int32)
        for joint, parent in enumerate(self.parents):
            depths[joint] = 0 if parent < 0 else depths[parent] + 1
        return depths


def body_transforms(
    pose: np.ndarray, betas: np.ndarray, translation: np.ndarray, mesh: SkinMesh
) -> tuple[np.ndarray, np.ndarray]:
    """Transforms (B, 24, 3, 4), bind pose -> camera frame, and joints (B, 24, 3), camera frame.

    pose: (B, 24, 3) rotation vectors; betas: (B, S); translation: (B, 3), the pelvis.
    """
    angle = np.linalg.norm(pose, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(pose, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*pose.shape[:2], 3, 3)
    # np.sinc(t) is sin(pi t) / (pi t), and good at zero.
    half = np.sinc(angle / (2 * np.pi))
    local = np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * half * half * (cross @ cross)
    offsets = mesh.offsets + np.einsum("bs,sjk->bjk", betas, mesh.offset_dirs)
    rest = mesh.bind_joints + np.einsum("bs,sjk->bjk", betas, mesh.bind_joint_dirs)
    rotations, joints = np.empty_like(local), np.empty_like(offsets)
    for joint, parent in enumerate(mesh.parents):
        if parent < 0:
            rotations[:, joint], joints[:, joint] = local[:, joint], translation
        else:
            rotations[:, joint] = rotations[:, parent] @ local[:, joint]
            joints[:, joint] = joints[:, parent] + np.einsum("bik,bk->bi", rotations[:, parent], offsets[:, joint])
    turned = rotations @ mesh.bind_to_tpose
    moved = joints - np.einsum("bjik,bjk->bji", turned, rest)
    return np.concatenate([turned, moved[..., None]], axis=-1).astype(np.float32), joints.astype(np.float32)


def skin(transforms: np.ndarray, betas: np.ndarray, mesh: SkinMesh) -> np.ndarray:
    """Vertices (B, V, 3) float32 from `body_transforms` and betas (B, S)."""
    if transforms.shape[1:] != (24, 3, 4) or betas.shape != (len(transforms), len(mesh.shape_dirs)):
        raise ValueError(
            f"transforms must be (B, 24, 3, 4) and betas (B, {len(mesh.shape_dirs)}), "
            f"got {transforms.shape} and {betas.shape}"
        )
    shaped = mesh.template + np.einsum("bs,skv->bkv", betas, mesh.shape_dirs)
    blend = np.einsum("bjik,jv->bikv", transforms, mesh.weights)
    posed = np.einsum("bikv,bkv->bvi", blend[:, :, :3], shaped) + blend[:, :, 3].transpose(0, 2, 1)
    return posed.astype(np.float32)
