"""The three graphs: mesh, skeleton and the fusion of both (Bilayer-Graph, 3DV 2021, section 3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engines.keypoints import JOINT_PARENTS


def mesh_adjacency(faces: np.ndarray, count: int) -> np.ndarray:
    """Binary A_m (V, V) float32 of a triangle mesh, with self loops."""
    adjacency = np.eye(count, dtype=np.float32)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        adjacency[faces[:, a], faces[:, b]] = adjacency[faces[:, b], faces[:, a]] = 1
    return adjacency


def inverse_distances(a: np.ndarray, b: np.ndarray, floor: float = 0.05) -> np.ndarray:
    """(N, M) float32 one over the distances between points, metres; `floor` bounds it where points meet."""
    gap = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return (1 / np.maximum(gap, floor)).astype(np.float32)


def skeleton_adjacency(joints: np.ndarray) -> np.ndarray:
    """A_s (24, 24): inverse distances of the template's joints, rows normalised."""
    near = inverse_distances(joints, joints)
    return near / near.sum(1, keepdims=True)


def connected(weights: np.ndarray) -> np.ndarray:
    """(24, V) float32, 1 where a vertex moves with the joint or with its parent: the start of W_f."""
    moves = weights.T > 0.1
    parents = [max(p, 0) for p in JOINT_PARENTS]
    return (moves | moves[parents]).astype(np.float32)


class GraphConvolution(nn.Module):
    """X' = relu(A X W + b). Nodes come first, (N, B, C): then A X is one product for the whole batch."""

    def __init__(self, channels_in: int, channels_out: int, degree: float) -> None:
        super().__init__()
        self.linear = nn.Linear(channels_in, channels_out)
        # A binary A sums `degree` neighbours: the weights start that much smaller to keep the scale.
        self.linear.weight.data /= max(degree, 1.0) ** 0.5

    def forward(self, adjacency: Tensor, x: Tensor) -> Tensor:
        x = self.linear(x)
        with torch.autocast("cpu", enabled=False):
            flat = x.reshape(x.shape[0], -1).to(adjacency.dtype)
            return torch.relu((adjacency @ flat).reshape(-1, *x.shape[1:]))


class FusionGraph(nn.Module):
    """A_f = RowNorm(A_fs * W_f) between joints and vertices; A_fs inverse distances, W_f learned.

    Each side receives the other's fused features through a linear map that starts at zero, so that adding the fusion
    to a trained skeleton graph changes nothing at first.
    """

    distances: Tensor

    def __init__(self, distances: np.ndarray, start: np.ndarray, skeleton: int, mesh: int) -> None:
        super().__init__()
        self.register_buffer("distances", torch.from_numpy(distances), persistent=False)
        self.weight = nn.Parameter(torch.from_numpy(start.copy()))
        self.to_skeleton = nn.Linear(mesh, skeleton)
        self.to_mesh = nn.Linear(skeleton, mesh)
        for linear in (self.to_skeleton, self.to_mesh):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, skeleton: Tensor, mesh: Tensor) -> tuple[Tensor, Tensor]:
        """skeleton (24, B, Cs), mesh (V, B, Cm) -> the same, fused."""
        edges = self.distances * self.weight
        rows = edges / (edges.abs().sum(1, keepdim=True) + 1e-6)
        columns = (edges / (edges.abs().sum(0, keepdim=True) + 1e-6)).T
        up = (rows @ mesh.reshape(mesh.shape[0], -1)).reshape(-1, *mesh.shape[1:])
        down = (columns @ skeleton.reshape(skeleton.shape[0], -1)).reshape(-1, *skeleton.shape[1:])
        return torch.relu(skeleton + self.to_skeleton(up)), torch.relu(mesh + self.to_mesh(down))
