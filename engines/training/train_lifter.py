"""Train the plain lifter, the baseline of `bilayer`, on the same data: `python -m engines.training lifter`."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from engines.body import load_body
from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.lifter import PlainLifter
from engines.training.geometry import GeometryBatch, GeometryOptions, GeometrySource
from engines.training.mixed_precision import mixed_precision
from engines.training.motion_capture import read_poses
from engines.training.run import TrainingRun, add_run_options, run_options
from engines.training.validate_lifting import validation_batches

_HIPS = [LIMB_JOINTS.index(1), LIMB_JOINTS.index(2)]


def limbs(batch: GeometryBatch) -> torch.Tensor:
    """(B, 12, 3) true limb joints relative to the middle of the hips."""
    joints = batch.joints[:, list(LIMB_JOINTS)]
    return joints - joints[:, _HIPS].mean(1, keepdim=True)


def main(argv: list[str] | None = None) -> int:
    """Train, validate, save the averaged weights."""
    parser = argparse.ArgumentParser(prog="python -m engines.training lifter", description=__doc__)
    add_run_options(parser, minutes=25, rate=1e-3)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--batch", type=int, default=256)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    body = Kinematics(load_body())
    mocap = args.shared / "data" / "mocap"
    net = PlainLifter()
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01, fused=True)
    run = TrainingRun(run_options(args, "lifter"), net, optimiser, vars(args))
    source = GeometrySource(read_poses(mocap, val=False), body, GeometryOptions(), seed=args.seed + 7919 * run.step)
    checks = validation_batches(read_poses(mocap, val=True), body)

    def evaluate() -> None:
        with torch.no_grad():
            errors = {
                name: 1000 * pa_mpjpe(run.average(batch.points).numpy(), limbs(batch).numpy()).mean()
                for name, batch in checks.items()
            }
        run.record(errors)

    for _ in run.steps():
        batch = source.batch(args.batch)
        with mixed_precision():
            guess = net(batch.points)
        loss = (guess - limbs(batch)).abs().mean()
        loss.backward()
        run.descend(args.batch, loss=loss.detach())
        if run.validation_due():
            evaluate()
    evaluate()
    torch.save(run.average.state_dict(), run.options.folder / "lifter.pt")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
