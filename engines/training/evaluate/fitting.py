"""What each part of the fits is worth: ``python -m engines.training.evaluate.fitting --synthetic FOLDER``.

`smplify` and the pull of `bilayer`'s bodies onto the points, with one part left out or changed at a time, on the same
trunk outputs of rendered people. ``within`` is the share of limb landmarks of the mesh that lie within 0.2 torso
lengths of where the picture truly shows them, ``seen`` of where the trunk saw them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from engines.body import BodyModel, load_body
from engines.estimate import BodyEstimate
from engines.fitting.consistency import Consistency, Pull
from engines.fitting.image_evidence import Noise
from engines.fitting.objective import Objective, Weights
from engines.fitting.staged_fit import STAGES, StagedFit
from engines.methods.bilayer import BilayerLifter, open_lifter
from engines.methods.smplify import SmplifyLifter
from engines.methods.trunk_method import Lifter, load_trunk
from engines.training.evaluate.agreement import LIMB_POINTS, REACH_TORSOS
from engines.training.evaluate.synthetic import MIN_VISIBLE, accuracy, estimate_all, request_of
from engines.training.synthetic_source import SyntheticSource

FINAL, LAST_ROUNDS = STAGES[-1]
PULLS = {
    "bilayer as regressed": None,
    "pulled": Pull(),
    "pulled, no pose prior": Pull(prior=0.0),
    "pulled, no depths": Pull(noise=replace(Pull().noise, depth_m=1e6)),
    "pulled, all points alike": Pull(noise=replace(Pull().noise, confidence_power=0.0)),
    "pulled, 1 step": Pull(steps=1),
    "pulled, 4 steps": Pull(steps=4),
}
FITS: dict[str, tuple[Weights, Noise, bool]] = {
    "smplify": (FINAL, Noise(), True),
    "no depths": (replace(FINAL, depth=0.0), Noise(), True),
    "no interpenetration": (replace(FINAL, spheres=0.0), Noise(), True),
    "no bending prior": (replace(FINAL, bending=0.0), Noise(), True),
    "pose prior x 4": (replace(FINAL, pose=4.0), Noise(), True),
    "pose prior / 10": (replace(FINAL, pose=0.1), Noise(), True),
    "no stages": (FINAL, Noise(), False),
    "all points alike": (FINAL, Noise(confidence_power=0.0), True),
}
"""Weights of the last stage (those of the depths in every stage), noise, and whether the priors are annealed."""


def open_lifters(body: BodyModel, threads: int) -> dict[str, Lifter]:
    """All variants; those of `bilayer` share one engine."""
    raw = open_lifter(body, runtime="openvino", precision="f32", preset="small", threads=threads, consistent=False)
    found: dict[str, Lifter] = {
        name: BilayerLifter(raw.engines[0], body, None if pull is None else Consistency(body, pull))
        for name, pull in PULLS.items()
    }
    for name, (last, noise, annealed) in FITS.items():
        stages = tuple((replace(weights, depth=last.depth), rounds) for weights, rounds in STAGES[:-1])
        together = sum(rounds for _, rounds in STAGES)
        steps = (*stages, (last, LAST_ROUNDS)) if annealed else ((last, together),)
        found[name] = SmplifyLifter(body, StagedFit(body, Objective(body, noise), steps))
    return found


def agreement(estimates: list[BodyEstimate], targets: np.ndarray, source: SyntheticSource, body: BodyModel) -> float:
    """Share of limb landmarks within reach of targets (N, 41, 2), over true points in the picture."""
    within = []
    for index, (estimate, target) in enumerate(zip(estimates, targets, strict=True)):
        shard, row = source.at(index)
        truth = shard.points[row]
        middles = truth[[5, 11], :2] / 2 + truth[[6, 12], :2] / 2
        torso = float(np.linalg.norm(middles[0] - middles[1]))
        if (truth[17:, 2] > 0).sum() < MIN_VISIBLE or torso < 5:
            continue
        posed = body.forward(estimate.pose[None], estimate.betas[None], estimate.translation[None])
        shown = request_of(source, index).intrinsics.project(body.coco(posed.vertices)[0])
        apart = np.linalg.norm(shown - target[:17, :2], axis=-1) / torso
        limbs = [point for point in LIMB_POINTS if truth[point, 2] > 0]
        within.append(apart[limbs] <= REACH_TORSOS)
    return float(np.concatenate(within).mean())


def table(
    found: Mapping[str, list[BodyEstimate]], points: np.ndarray, source: SyntheticSource, body: BodyModel
) -> dict[str, dict[str, float]]:
    """Figures per variant: millimetres and percent."""
    truth = np.stack([shard.points[row] for shard, row in map(source.at, range(len(points)))])
    return {
        name: {
            **{key: value for key, value in accuracy(estimates, source, body).items() if key != "PA-MPJPE 24"},
            "within": 100 * agreement(estimates, truth[..., :2], source, body),
            "seen": 100 * agreement(estimates, points[..., :2], source, body),
        }
        for name, estimates in found.items()
    }


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.fitting", description=__doc__)
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--split", choices=("train", "val"), default="val")
    parser.add_argument("--limit", type=int, default=256, help="so many people, the first ones")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    body, source = load_body(), SyntheticSource(args.synthetic, args.split)
    reader = load_trunk("small", "openvino", "auto", args.threads, mirror=True)
    lifters = open_lifters(body, args.threads)
    found, points = estimate_all(reader, lifters, source, min(args.limit, len(source)), truth=False)
    for name, row in table(found, points, source, body).items():
        print(f"{name:25s}", "  ".join(f"{key} {value:.1f}" for key, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
