"""Train a network from noisy image points to clean 3D points: SMPLR's autoencoder or the reconstruction network.

`python -m engines.training smplr --stage points --steps 5000 --resume --export` (L1) and
`python -m engines.training ordinal --steps 5000 --resume --export` (L2); see `--help`. Bodies, cameras and the model of
what a 2D network gets wrong are those of `bilayer` (`engines.training.geometry`): no picture is needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from engines.body import load_body
from engines.keypoints import NUM_COCO
from engines.metrics import LIMB_JOINTS, pa_mpjpe
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.points import build_cloud, export
from engines.training.corruption import Corruption
from engines.training.geometry import GeometryBatch, GeometryOptions, GeometrySource
from engines.training.mixed_precision import mixed_precision
from engines.training.motion_capture import read_poses
from engines.training.run import TrainingRun, add_run_options, run_options
from engines.training.start_weights import load_shipped
from engines.training.validate_lifting import validation_batches

WEIGHTS = Path(__file__).parents[1] / "weights"
OPTIONS = GeometryOptions(corruption=Corruption(drop_joints=0.2, drop_depth=0.25))
"""The trunk gives joints and depths; a 2D front end gives neither."""
AVERAGE_EVERY = 4
"""Steps between updates of the averaged weights: every one would cost a tenth of the time."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What all trainings of networks on points are told."""
    add_run_options(parser, minutes=15, rate=1.5e-3)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", action="store_true", help="write averaged weights into engines/weights at the end")


def adamw(net: nn.Module, rate: float) -> torch.optim.AdamW:
    """The optimiser of these trainings."""
    return torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)


def true_cloud(batch: GeometryBatch) -> Tensor:
    """(B, 41, 3) metres relative to the pelvis."""
    return torch.cat((batch.landmarks, batch.joints), 1)


def cloud_errors(net: nn.Module, batches: dict[str, GeometryBatch]) -> dict[str, float]:
    """Per kind of input: PA-MPJPE of the 12 limb joints, mm."""
    out = {}
    limbs = [NUM_COCO + joint for joint in LIMB_JOINTS]
    for name, batch in batches.items():
        with torch.no_grad():
            cloud = net(batch.points, batch.camera)
        out[name] = float(1000 * np.mean(pa_mpjpe(cloud[:, limbs].numpy(), true_cloud(batch)[:, limbs].numpy())))
    return out


def train_cloud(args: argparse.Namespace, network: str, loss: Literal["l1", "l2"]) -> int:
    """Train a `network` of `engines.networks.points`; `args` of `add_options` and `no_depth`. Returns an exit code."""
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    body = Kinematics(load_body())
    mocap = args.shared / "data" / "mocap"
    checks = validation_batches(read_poses(mocap, val=True), body)
    net = build_cloud(network, args.preset)
    if args.start:
        load_shipped(net, args.start, "")
    run = TrainingRun(
        run_options(args, f"{network}-{args.preset}"), net, adamw(net, args.rate), vars(args),
        average_every=AVERAGE_EVERY,
    )  # fmt: skip
    source = GeometrySource(read_poses(mocap, val=False), body, OPTIONS, args.seed + 7919 * (run.step + 1))
    net.train()
    for _ in run.steps():
        batch = source.batch(args.batch)
        points = batch.points
        if args.no_depth:
            points = torch.cat((points[..., :3], torch.zeros_like(points[..., 3:])), -1)
        with mixed_precision():
            cloud = net(points, batch.camera)
        gap = cloud - true_cloud(batch)
        error = gap.abs().mean() if loss == "l1" else 10 * gap.square().mean()
        error.backward()
        run.descend(args.batch, loss=error.detach())
        if run.validation_due():
            run.record(cloud_errors(run.average, checks))
    run.record(cloud_errors(run.average, checks))
    if args.export:
        export(network, args.preset, run.average.state_dict(), WEIGHTS)
    return 0
