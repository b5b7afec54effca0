"""Batches of crops that a frozen trunk has seen (`trunk_cache`), from more files than fit in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer import BodyPrediction, project
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.losses.body import Truth
from engines.training.trunk_cache import SeenPeople

POOL = 8
"""Files held in memory; one is exchanged every `EXCHANGE` batches."""
EXCHANGE = 50
POINT_NOISE, DEPTH_NOISE_M, MISSING = 0.015, 0.05, 0.05
"""Further errors of training points: spread in crop units and metres, share that is missing."""
BLIND = 0.3
"""Share of the people whose features are zeros: the points must carry the answer too."""


class SeenSource:
    """Random batches from the files `train-*.npz` of a folder. Raises FileNotFoundError where there is none."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.paths = sorted(folder.glob("train-*.npz"))
        if not self.paths:
            raise FileNotFoundError(
                f"no train-*.npz in {folder}; make some: python -m engines.training.trunk_cache --help"
            )
        self._rng = np.random.default_rng(seed)
        self._pool = [SeenPeople.load(p) for p in self._rng.permutation(np.array(self.paths, object))[:POOL]]
        self._drawn = 0

    @property
    def channels(self) -> int:
        return self._pool[0].features.shape[1]

    def batch(self, count: int) -> tuple[Tensor, Tensor, Tensor, Truth]:
        """points (count, 41, 5), camera (count, 1), features (count, C, H, W) and the truth."""
        self._drawn += 1
        if self._drawn % EXCHANGE == 0 and len(self.paths) > len(self._pool):
            slot = int(self._rng.integers(len(self._pool)))
            self._pool[slot] = SeenPeople.load(self.paths[self._rng.integers(len(self.paths))])
        people = self._pool[int(self._rng.integers(len(self._pool)))]
        rows = self._rng.choice(len(people.points), min(count, len(people.points)), replace=False)
        points, camera, features, truth = tensors(people, rows)
        return self._disturbed(points), camera, features * self._keep(len(rows), BLIND)[..., None], truth

    def _disturbed(self, points: Tensor) -> Tensor:
        """Moved a little and some missing: a few thousand people are soon known by heart."""
        points = points.clone()
        present = (points[..., 2:3] > 0).float()
        points[..., :2] += present * self._normal(points[..., :2].shape, POINT_NOISE)
        points[..., 3] += points[..., 4] * self._normal(points.shape[:2], DEPTH_NOISE_M)
        return points * self._keep(points.shape[0] * points.shape[1], MISSING).view(*points.shape[:2], 1)

    def _normal(self, shape: torch.Size, spread: float) -> Tensor:
        return torch.from_numpy(self._rng.normal(0, spread, shape).astype(np.float32))

    def _keep(self, count: int, losing: float) -> Tensor:
        return torch.from_numpy((self._rng.random((count, 1, 1)) > losing).astype(np.float32))


def tensors(people: SeenPeople, rows: np.ndarray | slice) -> tuple[Tensor, Tensor, Tensor, Truth]:
    """Rows of a file as float32 tensors."""

    def take(name: str) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(getattr(people, name)[rows], np.float32))

    truth = Truth(**{name: take(name) for name in ("rotations", "betas", "translation", "image", "half_tan")})
    return take("points"), take("camera"), take("features"), truth


def seen_errors(
    net: torch.nn.Module, body: Kinematics, people: SeenPeople, *, use_mesh: bool = True
) -> dict[str, float]:
    """PA-MPJPE of the 12 limb joints, mm: `lifter` before the graphs, `blind` with zero features, `seen` with them.

    And of the last: `pve`, the mean error of the coarse vertices about the pelvis, `worst`, that of each body's worst
    twentieth, mm; `image`, the mean distance of the projected points from the truth, % of half the crop.
    """
    points, camera, features, truth = tensors(people, slice(None))
    training = net.training
    net.eval()
    with torch.no_grad():
        turns, joints = body.chain(truth.rotations, truth.betas)
        seen: list[BodyPrediction] = net(points, camera, (features,), use_mesh=use_mesh)
        blind: list[BodyPrediction] = net(points, camera, (torch.zeros_like(features),), use_mesh=use_mesh)
        last = seen[-1]
        gap = body.coarse(last.turns, last.joints, last.betas) - body.coarse(turns, joints, truth.betas)
        image = project(torch.cat((last.landmarks, last.joints), 1), last.camera, truth.half_tan) - truth.image
    net.train(training)
    limbs, target = list(LIMB_JOINTS), joints.numpy()
    answers = {"lifter": seen[0], "blind": blind[-1], "seen": last}
    errors = {
        name: float(1000 * pa_mpjpe(guess.joints.numpy()[:, limbs], target[:, limbs]).mean())
        for name, guess in answers.items()
    }
    far = gap.norm(dim=-1).sort(1).values
    inside = (truth.image.abs() < 1).all(-1)
    return errors | {
        "pve": float(1000 * far.mean()),
        "worst": float(1000 * far[:, -far.shape[1] // 20 :].mean()),
        "image": float(100 * image.norm(dim=-1)[inside].mean()),
    }
