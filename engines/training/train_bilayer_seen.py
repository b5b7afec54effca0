"""Train the bilayer network's image stage: cached trunk features of rendered people, mixed with bare geometry.

`python -m engines.training bilayer --images FOLDER ...` comes here. It starts from the geometry stage's checkpoint; new
inputs enter with zero weights, so the first step answers as the geometry stage did.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from engines.body import load_body
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.export import export
from engines.networks.bilayer.kinematics import Kinematics
from engines.training.averaging import Average, rate_at
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.losses.body import LossWeights, body_losses, truth_of
from engines.training.motion_capture import read_poses
from engines.training.seen_source import SeenSource, seen_errors
from engines.training.trunk_cache import SeenPeople

VERTEX_STRIDE = 6


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
    run: Path = args.run or Path("runs") / f"bilayer-{args.preset}-seen"
    run.mkdir(parents=True, exist_ok=True)
    model = load_body()
    body = Kinematics(model)
    source = SeenSource(args.images, args.seed)
    held_out = sorted(args.images.glob("val-*.npz")) or source.paths[-1:]
    source.paths = [path for path in source.paths if path not in held_out] or source.paths
    check = SeenPeople.load(held_out[0])
    geometry = GeometrySource(
        read_poses(args.shared / "data" / "mocap", val=False),
        body,
        GeometryOptions(),
        seed=args.seed + int(time.time()),
    )
    channels = (source.channels,)
    net = BilayerNet(replace(PRESETS[args.preset], feature_channels=channels), model)
    checkpoint = run / "checkpoint.pt"
    resumed = args.resume and checkpoint.is_file()
    start = checkpoint if resumed else args.start or Path("runs") / f"bilayer-{args.preset}" / "checkpoint.pt"
    saved = torch.load(start, weights_only=True)
    net.load_state_dict(grown(saved["net" if resumed else "average"], net), strict=False)
    average = Average(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    steps, before = 0, 0.0
    if resumed:
        average.values.update(grown(saved["average"], net))
        optimizer.load_state_dict(saved["optimizer"])
        steps, before = saved["steps"], saved["minutes"]
        average.steps = steps
    blank = torch.zeros(args.batch, channels[0], 1, 1)
    weights, began, checked, spent = LossWeights(), time.monotonic(), 0.0, before
    stop = min(args.minutes, before + (args.stop_after or args.minutes))
    net.train()
    while True:
        spent = before + (time.monotonic() - began) / 60
        over = spent >= stop
        if over or time.monotonic() - checked > 180:
            shadow = BilayerNet(net.config, model)
            shadow.load_state_dict(average.values)
            errors = seen_errors(shadow, body, check)
            shown = "  ".join(f"{name} {value:.1f}" for name, value in errors.items())
            print(f"{spent:6.1f} min {steps:6d} steps  PA12 mm on {held_out[0].name}  {shown}", flush=True)
            part = checkpoint.with_suffix(".part")
            torch.save(
                {
                    "net": net.state_dict(), "average": average.values, "optimizer": optimizer.state_dict(),
                    "steps": steps, "minutes": spent, "body": model.identity, "preset": args.preset,
                },
                part,
            )  # fmt: skip
            part.replace(checkpoint)
            checked = time.monotonic()
        if over:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(spent / args.minutes, steps, args.lr)
        optimizer.zero_grad(set_to_none=True)
        pick = slice(steps % VERTEX_STRIDE, None, VERTEX_STRIDE)
        points, camera, features, truth = source.batch(args.batch)
        bare = geometry.batch(args.batch)
        # One backward pass each: half the memory, the same gradient.
        for inputs, maps, target, share in (
            ((points, camera), features, truth, 0.7),
            ((bare.points, bare.camera), blank, truth_of(bare), 0.3),
        ):
            with torch.autocast("cpu", torch.bfloat16):
                guesses = net(*inputs, (maps,))
            loss, _ = body_losses(guesses, target, body, weights, pick)
            (share * loss).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        average.update(net)
        steps += 1
    if args.export:
        export(average.values, args.preset, Path(__file__).parents[1] / "weights", channels)
    return 0
