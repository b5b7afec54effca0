"""Motion capture as a bank of poses: read once, drawn evenly over what people do rather than over frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.body.rotations import rotation_matrices
from engines.networks.mirror import mirrored_rotations

FILES = ("poses.npz", "poses_hdm05.npz")
CLUSTERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseBank:
    """N poses in body axes over a world with y up."""

    rotations: Tensor
    """(N, 24, 3, 3) float32 local rotations; row 0 turns the body's axes into the world."""
    weights: Tensor
    """(N,) float32, sums to one: how often a pose is drawn."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """(count, 24, 3, 3), each mirrored with probability one half."""
        at = torch.searchsorted(self.weights.cumsum(0), torch.rand(count, generator=generator))
        out = self.rotations[at.clamp_max(len(self.rotations) - 1)]
        flip = torch.rand(count, generator=generator) < 0.5
        out[flip] = mirrored_rotations(out[flip])
        return out


def read_poses(folder: Path, *, val: bool, files: tuple[str, ...] = FILES) -> PoseBank:
    """Frames of the training or of the validation clips; frames marked as glitches are left out.

    Half of the draws are even over clips, half over clusters of alike poses. Raises FileNotFoundError without data.
    """
    rotvec, weights = [], []
    for name in files:
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is not there; pass --shared FOLDER with data/mocap/{name} in it")
        with np.load(path) as data:
            lengths, is_val = data["lengths"], data["val"]
            clip = np.repeat(np.arange(len(lengths)), lengths)
            keep = data["ok"] & (is_val[clip] == val)
            rotvec.append(data["rotvec"][keep].astype(np.float32))
            counts = np.bincount(clip[keep], minlength=len(lengths))
            # A clip counts by the root of its length: a long one shows more, though not in proportion.
            weights.append(1 / np.sqrt(counts[clip[keep]]))
    pose = np.concatenate(rotvec)
    by_clip = np.concatenate(weights)
    label = _clusters(pose)
    by_cluster = 1 / np.bincount(label)[label]
    mixed = by_clip / by_clip.sum() + by_cluster / by_cluster.sum()
    return PoseBank(
        rotations=torch.from_numpy(rotation_matrices(pose)), weights=torch.from_numpy((mixed / 2).astype(np.float32))
    )


def _clusters(pose: np.ndarray, iterations: int = 8) -> np.ndarray:
    """k-means on the local rotations that move limbs and trunk; (N,) labels without gaps."""
    rng = np.random.default_rng(0)
    matrices = rotation_matrices(pose[:, [1, 2, 3, 4, 5, 9, 16, 17, 18, 19]])[..., :2].reshape(len(pose), -1)
    centres = matrices[rng.choice(len(pose), min(CLUSTERS, len(pose)), replace=False)]
    sample = matrices[rng.choice(len(pose), min(20_000, len(pose)), replace=False)]

    def nearest(points: np.ndarray) -> np.ndarray:
        return (points @ centres.T - 0.5 * (centres**2).sum(1)).argmax(1)

    for _ in range(iterations):
        label = nearest(sample)
        counts = np.bincount(label, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, label, sample)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return np.unique(nearest(matrices), return_inverse=True)[1]
