"""Motion capture poses, drawn evenly over clips and over clusters of poses, mirrored, mixed and disturbed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2

from engines.body import BodyModel
from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.keypoints import JOINT_MIRROR, JOINT_NAMES

_CLUSTERS = 160
_ARMS = np.array([k for k, name in enumerate(JOINT_NAMES) if name.endswith(("collar", "shoulder", "elbow", "wrist"))])
_NOISE_RAD = np.full(24, 0.05, np.float32)
_NOISE_RAD[[12, 15, 20, 21]] = 0.12  # neck, head, wrists vary most and are measured worst
_NOISE_RAD[[0, 22, 23]] = 0


@dataclass(frozen=True, slots=True, eq=False)
class PoseLibrary:
    """Frames of motion capture with the two partitions they are drawn by."""

    rotvec: np.ndarray
    """(F, 24, 3) float32, world with y up."""
    groups: tuple[tuple[np.ndarray, ...], ...]
    """Partitions of the frames: by clip, by pose cluster."""
    upright: np.ndarray
    """Frames whose trunk is within 30 degrees of vertical, indices."""

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A pose (24, 3): partition, then group, then frame, each uniformly; mirrored, mixed and disturbed."""
        groups = self.groups[rng.integers(len(self.groups))]
        pose = self.rotvec[rng.choice(groups[rng.integers(len(groups))])].copy()
        if rng.random() < 0.2:
            pose[_ARMS] = self.rotvec[rng.integers(len(self.rotvec)), _ARMS]
        return disturb(mirror_pose(pose) if rng.random() < 0.5 else pose, rng)

    def draw_upright(self, rng: np.random.Generator) -> np.ndarray:
        """A pose with the trunk upright, as of somebody in front of a webcam; half of them sit."""
        pose = self.rotvec[rng.choice(self.upright)].copy()
        pose = mirror_pose(pose) if rng.random() < 0.5 else pose
        return disturb(sit(pose, rng) if rng.random() < 0.5 else pose, rng)

    def draw_seated(self, rng: np.random.Generator) -> np.ndarray:
        """An upright trunk on bent hips and knees: sitting is missing from the recordings."""
        return disturb(sit(self.rotvec[rng.choice(self.upright)].copy(), rng), rng)


def load_poses(shared: Path, body: BodyModel, *, val: bool, share_alike: bool = True) -> PoseLibrary:
    """Frames marked ok of the training or validation clips; HDM05 (CC BY-SA) only if `share_alike`."""
    names = ("poses.npz", "poses_hdm05.npz") if share_alike else ("poses.npz",)
    rotvec, clip, offset = [], [], 0
    for name in names:
        with np.load(shared / "data/mocap" / name, allow_pickle=False) as data:
            of_frame = np.repeat(np.arange(len(data["lengths"])), data["lengths"])
            keep = data["ok"] & (data["val"][of_frame] == val)
            rotvec.append(data["rotvec"][keep].astype(np.float32))
            clip.append(of_frame[keep] + offset)
            offset += len(data["lengths"])
    return pose_library(np.concatenate(rotvec), np.concatenate(clip), body)


def pose_library(rotvec: np.ndarray, clip: np.ndarray, body: BodyModel, clusters: int = _CLUSTERS) -> PoseLibrary:
    """Rotation vectors (F, 24, 3) and the clip of every frame -> library."""
    joints = np.concatenate([_features(chunk, body) for chunk in np.array_split(rotvec, max(1, len(rotvec) // 4096))])
    rng = np.random.default_rng(0)
    few = joints[rng.choice(len(joints), min(12000, len(joints)), replace=False)]
    centres = kmeans2(few, min(clusters, len(few)), iter=15, minit="++", seed=0)[0]
    chunks = np.array_split(joints, max(1, len(joints) // 8192))
    cluster = np.concatenate([_nearest(chunk, centres) for chunk in chunks])
    up = rotation_matrices(rotvec[:, 0])[:, 1, 1]
    return PoseLibrary(rotvec, (_groups(clip), _groups(cluster)), np.flatnonzero(up > np.cos(np.radians(30))))


def mirror_pose(pose: np.ndarray) -> np.ndarray:
    """The pose seen in a mirror (world left-right): (..., 24, 3) rotation vectors."""
    return pose[..., list(JOINT_MIRROR), :] * np.array([1, -1, -1], pose.dtype)


def sit(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bend hips and knees of a pose as on a chair."""
    pose = pose.copy()
    for hip, knee, ankle, side in ((1, 4, 7, 1), (2, 5, 8, -1)):
        pose[hip] = (-rng.uniform(1.1, 1.75), side * rng.normal(0, 0.1), side * rng.normal(0.12, 0.15))
        pose[knee] = (rng.uniform(0.7, 2.0), 0, 0)
        pose[ankle] = rng.normal(0, 0.1, 3)
    return pose


def disturb(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Small random turns of every joint but the root and the hands."""
    return (pose + rng.normal(size=(24, 3)) * _NOISE_RAD[:, None]).astype(np.float32)


def turned(root: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Root rotation vector (3,) seen from a frame: rotation (3, 3) times it -> (3,)."""
    return rotation_vectors(rotation @ rotation_matrices(root)).astype(np.float32)


def heading(root: np.ndarray) -> float:
    """Yaw, radians, of the direction the pelvis faces in a world with y up; 0 is +z."""
    forward = rotation_matrices(root)[:, 2]
    return float(np.arctan2(forward[0], forward[2]))


def _features(rotvec: np.ndarray, body: BodyModel) -> np.ndarray:
    """Joints relative to the pelvis with the heading taken out, (F, 69)."""
    root = rotation_matrices(rotvec[:, 0])
    yaw = np.arctan2(root[:, 0, 2], root[:, 2, 2])
    cos, sin = np.cos(yaw), np.sin(yaw)
    joints = body.joints(rotvec, np.zeros(body.num_betas), np.zeros(3))[:, 1:]
    x, y, z = joints[..., 0], joints[..., 1], joints[..., 2]
    cos, sin = cos[:, None], sin[:, None]
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], axis=-1).reshape(len(x), -1)


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return (np.square(centres).sum(1) - 2 * points @ centres.T).argmin(axis=1)


def _groups(label: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.flatnonzero(label == value) for value in np.unique(label))
