"""Train the bilayer network's image stage: cached trunk features of rendered people, mixed with bare geometry.

`python -m engines.training bilayer --images FOLDER ...` comes here. It starts from the geometry stage's weights
(--start); new inputs enter with zero weights, so the first step answers as the geometry stage did.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from engines.body import load_body
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.export import export
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.losses.body import LossWeights, body_losses, truth_of
from engines.training.mixed_precision import mixed_precision
from engines.training.motion_capture import read_poses
from engines.training.run import TrainingRun, run_options
from engines.training.seen_source import SeenSource, seen_errors
from engines.training.start_weights import shipped_weights
from engines.training.stature import LEVEL, restore_stature
from engines.training.train_bilayer import VERTEX_STRIDE
from engines.training.trunk_cache import SeenPeople
from engines.training.validate_lifting import validation_batches


def grown(state: dict[str, Tensor], net: torch.nn.Module) -> dict[str, Tensor]:
    """Weights of a smaller network for a larger one: inputs it did not have get zeros; what does not fit is left out.

    Inputs are only ever appended, so old columns keep their places.
    """
    out = {}
    for name, own in net.state_dict().items():
        old = state.get(name)
        if old is None:
            continue
        if old.shape == own.shape:
            out[name] = old
        elif old.ndim == 2 and old.shape[0] == own.shape[0] and old.shape[1] < own.shape[1]:
            out[name] = torch.cat((old, old.new_zeros(len(old), own.shape[1] - old.shape[1])), 1)
    return out


def train(args: argparse.Namespace) -> int:
    """Arguments of `train_bilayer`; returns an exit code."""
    model = load_body()
    body = Kinematics(model)
    source = SeenSource(args.images, args.seed)
    held_out = sorted(args.images.glob("val-*.npz")) or source.paths[-1:]
    source.paths = [path for path in source.paths if path not in held_out] or source.paths
    check = SeenPeople.load(held_out[0])
    channels = (source.channels,)
    net = BilayerNet(replace(PRESETS[args.preset], feature_channels=channels), model)
    if args.start:
        net.load_state_dict(grown(shipped_weights(args.start, "net."), net), strict=False)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.05, betas=(0.9, 0.98), fused=True)
    described = vars(args) | {"net": asdict(net.config), "body": model.identity}
    options = run_options(args, f"bilayer-{args.preset}-seen")
    run = TrainingRun(options, net, optimiser, described, average=BilayerNet(net.config, model))
    bank = read_poses(args.shared / "data" / "mocap", val=False)
    geometry = GeometrySource(bank, body, GeometryOptions(), seed=args.seed + 7919 * (run.step + 1))
    blank = torch.zeros(args.batch, channels[0], 1, 1)
    weights = LossWeights(focal=args.focal, image=args.reprojection)
    use_mesh = args.mesh is not False

    def evaluate() -> None:
        run.record(seen_errors(run.average, body, check, use_mesh=use_mesh))

    evaluate()
    net.train()
    for step in run.steps():
        pick = slice(step % VERTEX_STRIDE, None, VERTEX_STRIDE)
        points, camera, features, truth = source.batch(args.batch)
        bare = geometry.batch(args.batch)
        terms = {}
        # One backward pass each: half the memory, the same gradient.
        for name, inputs, maps, target, share in (
            ("seen", (points, camera), features, truth, 0.5),
            ("bare", (bare.points, bare.camera), blank, truth_of(bare), 0.5),
        ):
            with mixed_precision():
                guesses = net(*inputs, (maps,), use_mesh=use_mesh)
            loss, _ = body_losses(guesses, target, body, weights, pick)
            (share * loss).backward()
            terms[name] = loss.detach()
        run.descend(args.batch, **terms)
        if run.validation_due():
            evaluate()
    evaluate()
    if args.export:
        held_out_poses = read_poses(args.shared / "data" / "mocap", val=True)
        restore_stature(run.average, validation_batches(held_out_poses, body)[LEVEL])
        export(run.average.state_dict(), args.preset, Path(__file__).parents[1] / "weights", channels)
    return 0
