"""Train the plain lifter, the baseline of `bilayer`, on the same data: `python -m engines.training lifter`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from engines.body import load_body
from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.lifter import PlainLifter
from engines.training.averaging import Average, rate_at
from engines.training.geometry import GeometryBatch, GeometryOptions, GeometrySource
from engines.training.motion_capture import read_poses
from engines.training.validate_lifting import validation_batches

_HIPS = [LIMB_JOINTS.index(1), LIMB_JOINTS.index(2)]


def limbs(batch: GeometryBatch) -> torch.Tensor:
    """(B, 12, 3) true limb joints relative to the middle of the hips."""
    joints = batch.joints[:, list(LIMB_JOINTS)]
    return joints - joints[:, _HIPS].mean(1, keepdim=True)


def main(argv: list[str] | None = None) -> int:
    """Train, validate, save the averaged weights."""
    parser = argparse.ArgumentParser(prog="python -m engines.training lifter", description=__doc__)
    parser.add_argument("--minutes", type=float, default=25)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--run", type=Path, default=Path("runs/lifter"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    args.run.mkdir(parents=True, exist_ok=True)
    body = Kinematics(load_body())
    mocap = args.shared / "data" / "mocap"
    source = GeometrySource(read_poses(mocap, val=False), body, GeometryOptions(), seed=args.seed)
    net = PlainLifter()
    average = Average(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01, fused=True)
    began, steps = time.monotonic(), 0
    while (spent := (time.monotonic() - began) / 60) < args.minutes:
        batch = source.batch(args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            guess = net(batch.points)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(spent / args.minutes, steps, args.lr)
        optimizer.zero_grad(set_to_none=True)
        (guess - limbs(batch)).abs().mean().backward()
        optimizer.step()
        average.update(net)
        steps += 1
    net.load_state_dict(average.values)
    torch.save(net.state_dict(), args.run / "lifter.pt")
    net.eval()
    for name, batch in validation_batches(read_poses(mocap, val=True), body).items():
        with torch.no_grad():
            error = 1000 * pa_mpjpe(net(batch.points).numpy(), limbs(batch).numpy()).mean()
        print(f"{name}: PA-MPJPE of 12 joints {error:.1f} mm after {steps} steps of {args.batch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
