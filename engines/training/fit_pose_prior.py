"""Fit the pose prior of `engines.fitting` to motion capture.

    python -m engines.training.fit_pose_prior --shared FOLDER [--out engines/fitting/pose_prior.npz]

Expectation-maximisation of a mixture of eight Gaussians over the rotation vectors of 19 joints, as in Keep it SMPL
(ECCV 2016), Section 3.2. Poses are drawn evenly over clips and clusters, each with its mirror image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from engines.body.rotations import rotation_vectors
from engines.fitting.pose_prior import DIMENSIONS, PRIOR_JOINTS, SHIPPED, PosePrior
from engines.networks.mirror import mirrored_rotations
from engines.training.motion_capture import PoseBank, read_poses

COMPONENTS = 8
FLOOR_RAD = 0.1
"""Added to every standard deviation (in squares): the motion capture shows few people and no everyday slack."""


def draw_vectors(bank: PoseBank, count: int, seed: int) -> np.ndarray:
    """(2 count, 57) float64: drawn poses and their mirror images."""
    poses = bank.draw(count, torch.Generator().manual_seed(seed))
    both = torch.cat([poses, mirrored_rotations(poses)])[:, list(PRIOR_JOINTS)].double().numpy()
    return rotation_vectors(both).reshape(-1, DIMENSIONS)


def fit_mixture(
    data: np.ndarray, components: int, rounds: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float]]:
    """Weights (K,), means (K, D), covariances (K, D, D) and the mean log likelihood after each round."""
    rng = np.random.default_rng(seed)
    means = data[rng.choice(len(data), components, replace=False)]
    label = ((data[:, None] - means) ** 2).sum(-1).argmin(1)
    share = np.eye(components)[label]
    curve = []
    for _ in range(rounds):
        total = share.sum(0)
        weights, means = total / len(data), (share.T @ data) / total[:, None]
        centred = [data - mean for mean in means]
        floor = FLOOR_RAD**2 * np.eye(data.shape[1])
        covariances = np.stack([(c * share[:, k, None]).T @ c / total[k] + floor for k, c in enumerate(centred)])
        logs = log_densities(data, weights, means, covariances)
        top = logs.max(1, keepdims=True)
        likelihood = top[:, 0] + np.log(np.exp(logs - top).sum(1))
        share = np.exp(logs - likelihood[:, None])
        curve.append(float(likelihood.mean()))
    return weights, means, covariances, curve


def log_densities(data: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(N, K) logarithms of weight times density."""
    columns = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        root = np.linalg.cholesky(np.linalg.inv(covariance))
        white = (data - mean) @ root
        norm = np.log(weight) + np.log(np.diag(root)).sum() - 0.5 * data.shape[1] * np.log(2 * np.pi)
        columns.append(norm - 0.5 * (white**2).sum(1))
    return np.stack(columns, 1)


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.fit_pose_prior", description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/mocap")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--poses", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    folder = args.shared / "data/mocap"
    data = draw_vectors(read_poses(folder, val=False), args.poses, args.seed)
    weights, means, covariances, curve = fit_mixture(data, COMPONENTS, args.rounds, args.seed)
    rows, columns = np.tril_indices(DIMENSIONS)
    np.savez_compressed(
        args.out,
        weights=weights.astype(np.float32),
        means=means.astype(np.float32),
        covariances=covariances[:, rows, columns].astype(np.float32),
    )
    held_out = draw_vectors(read_poses(folder, val=True), 4000, args.seed)
    prior = PosePrior.of(weights, means, covariances)
    print("weights", weights.round(3), "log likelihood", round(curve[0], 2), "->", round(curve[-1], 2))
    for name, poses in (("training", data[:4000]), ("held out", held_out)):
        full = np.zeros((len(poses), 24, 3))
        full[:, list(PRIOR_JOINTS)] = poses.reshape(len(poses), -1, 3)
        energy = (prior.residuals(full)[0] ** 2).sum(1)
        print(f"{name}: energy {np.percentile(energy, (5, 50, 95)).round(1)} (5 %, median, 95 %)")
    print(f"{args.out}: {args.out.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
