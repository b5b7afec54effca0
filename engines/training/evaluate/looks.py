"""Bodies averaged over several looks at one picture: its mirror image, and crops of other sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from engines.metrics import LIMB_JOINTS, mpjpe, pa_mpjpe, pve
from engines.networks.bilayer import BodyPrediction
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.losses.body import Truth
from engines.training.rendered_views import RenderedBatch, rendered_batch
from engines.training.synthetic_source import SyntheticSource
from engines.training.views import View, mirrored

BATCH = 32
SCALES = (0.85, 1.0, 1.18)
"""Sides of the crops over the networks' own."""
WAYS: dict[str, tuple[View, ...]] = {
    "one": (View.straight(),),
    "mirror": (View.straight(), View.straight(mirror=True)),
    "scales": tuple(View.straight(scale) for scale in SCALES),
    "both": tuple(View.straight(scale, mirror=mirror) for scale in SCALES for mirror in (False, True)),
}
"""Name -> looks, the first of which is unmirrored: its camera is the one that bodies are given in."""

Look = Callable[[RenderedBatch], tuple[BodyPrediction, Truth]]
"""A network from pictures to bodies in the crops' virtual cameras, with the truth there."""


def mean_rotations(rotations: np.ndarray) -> np.ndarray:
    """Rotations (L, ..., 3, 3) of L looks -> (..., 3, 3), nearest to all of them in the Frobenius norm."""
    left, _, right = np.linalg.svd(rotations.sum(0))
    left[..., -1] *= np.linalg.det(left @ right)[..., None]
    return left @ right


def averaged_errors(
    look: Look, body: Kinematics, source: SyntheticSource, count: int, size_px: int, ways: Sequence[str] = ("one",)
) -> dict[str, float]:
    """Errors of the first ``count`` people in mm per way of looking (a key of `WAYS`): `WAY pa12`, `WAY mpjpe`, and
    `WAY pve` of the coarse vertices. Looks that several ways share are taken once."""
    rng = np.random.default_rng(0)
    errors: dict[str, list[float]] = {}
    shard = source.shards[0]
    for start in range(0, min(count, len(shard)), BATCH):
        rows = list(range(start, min(start + BATCH, count, len(shard))))
        found: dict[tuple[float, bool], tuple[np.ndarray, np.ndarray]] = {}
        true: tuple[np.ndarray, np.ndarray] | None = None
        for view in (view for way in ways for view in WAYS[way]):
            key = (view.side, view.mirror)
            if key in found:
                continue
            guess, truth = look(rendered_batch(shard, rows, [view] * len(rows), size_px, rng))
            rotations = guess.rotations.numpy()
            found[key] = (mirrored(rotations) if view.mirror else rotations, guess.betas.numpy())
            if true is None:
                # Every way begins with an unmirrored look. Crops of all scales have one camera axis: their centre.
                true = _points(body, truth.rotations.numpy(), truth.betas.numpy())
        for way in ways:
            assert true is not None
            looks = [found[view.side, view.mirror] for view in WAYS[way]]
            turns, betas = (np.stack(column) for column in zip(*looks, strict=True))
            own = _points(body, mean_rotations(turns), betas.mean(0))
            limbs = list(LIMB_JOINTS)
            for name, values in (
                ("pa12", pa_mpjpe(own[0][:, limbs], true[0][:, limbs])),
                ("mpjpe", mpjpe(own[0], true[0])),
                ("pve", pve(own[1], true[1])),
            ):
                errors.setdefault(f"{way} {name}", []).extend(1000 * values)
    return {name: float(np.mean(values)) for name, values in errors.items()}


def _points(body: Kinematics, rotations: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints and coarse vertices about the pelvis."""
    shape = torch.from_numpy(betas).float()
    turns, joints = body.chain(torch.from_numpy(rotations).float(), shape)
    return joints.numpy(), body.coarse(turns, joints, shape).numpy()
