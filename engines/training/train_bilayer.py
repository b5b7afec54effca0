"""Train the bilayer network: its geometry stage on endless posed bodies, or, with --images, its image stage.

`python -m engines.training bilayer --preset small --minutes 60 --resume`; see `--help`.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from engines.body import load_body
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.export import export
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.rotation6d import six_from_matrix
from engines.training.averaging import Average, rate_at
from engines.training.flat_people import FlatPeople, reprojection_losses
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.losses.body import LossWeights, body_losses, truth_of
from engines.training.motion_capture import read_poses
from engines.training.start_weights import load_shipped
from engines.training.validate_lifting import (
    lifting_errors,
    mean_pose_predictor,
    mean_rotations,
    network_predictor,
    validation_batches,
)

AVERAGE_EVERY = 4
"""Steps between updates of the averaged weights: every one would cost a tenth of the time."""
FLAT_EVERY = 3
"""Every third step also learns by reprojection from people known by 2D keypoints alone."""
VERTEX_STRIDE = 6
"""Each step compares every sixth coarse vertex, another sixth each time."""


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engines.training bilayer", description=__doc__)
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
    parser.add_argument("--minutes", type=float, default=60, help="length of the whole schedule, all calls together")
    parser.add_argument("--stop-after", type=float, help="stop this call after so many minutes; --resume goes on")
    parser.add_argument("--run", type=Path, help="run folder, default runs/bilayer-PRESET")
    parser.add_argument("--resume", action="store_true", help="go on from the run folder's checkpoint, if there is one")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--lifter-share", type=float, default=0.6, help="share of the schedule without refinements: twice as fast"
    )
    parser.add_argument(
        "--mesh",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="train the mesh and fusion graphs too; they halve the speed and matter most with image features",
    )
    parser.add_argument(
        "--export",
        action="store_true",
        help="write the averaged weights: into the run folder as training goes, into engines/weights at its end",
    )
    parser.add_argument("--no-flat", action="store_true", help="leave out the people known by 2D keypoints alone")
    parser.add_argument("--images", type=Path, help="train the image stage on this folder made by trunk_cache")
    parser.add_argument(
        "--start", type=Path, help="begin with shipped weights (.safetensors); image stage: a checkpoint"
    )
    return parser.parse_args(argv)


def matching(state: dict[str, Tensor], net: torch.nn.Module) -> dict[str, Tensor]:
    """Entries of a checkpoint that fit: another body has another number of vertices, its W_f starts anew."""
    own = net.state_dict()
    return {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}


def main(argv: list[str] | None = None) -> int:
    """Train, validate, save; returns an exit code."""
    args = arguments(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    if args.images:
        from engines.training.train_bilayer_seen import train

        return train(args)
    run = args.run or Path("runs") / f"bilayer-{args.preset}"
    run.mkdir(parents=True, exist_ok=True)
    body_model = load_body()
    body = Kinematics(body_model)
    bank = read_poses(args.shared / "data" / "mocap", val=False)
    checks = validation_batches(read_poses(args.shared / "data" / "mocap", val=True), body)
    config = PRESETS[args.preset]
    net = BilayerNet(config, body_model, six_from_matrix(mean_rotations(bank)))
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    if args.start:
        load_shipped(net, args.start, "net.")
    average, steps, spent = Average(net), 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if args.resume and checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(matching(saved["net"], net), strict=False)
        average.values.update(matching(saved["average"], net))
        average.steps, steps, spent = saved["steps"] // AVERAGE_EVERY, saved["steps"], saved["minutes"]
        if saved["body"] == body_model.identity:
            optimizer.load_state_dict(saved["optimizer"])
    stop = min(args.minutes, spent + (args.stop_after or args.minutes))
    source = GeometrySource(bank, body, GeometryOptions(), seed=args.seed + 7919 * (steps + 1))
    everyday = args.shared / "data" / "coco_people" / "keypoints_only.npz"
    flat = FlatPeople(everyday, args.seed + steps) if everyday.is_file() and not args.no_flat else None
    (run / "config.json").write_text(
        json.dumps({"preset": args.preset, **asdict(config), "lr": args.lr, "batch": args.batch})
    )
    if not steps:
        report(run, 0, 0.0, lifting_errors(mean_pose_predictor(bank, body), body, checks), "mean pose")

    weights, began, start_minutes = LossWeights(), time.monotonic(), spent
    saved_at = checked_at = time.monotonic()
    running, since = 0.0, 0
    net.train()
    while True:
        now = time.monotonic()
        spent = start_minutes + (now - began) / 60
        over = spent >= stop
        if over or now - checked_at > 240 or (steps in (200, 1000)):
            averaged = BilayerNet(config, body_model)
            averaged.load_state_dict(average.values)
            errors = lifting_errors(network_predictor(averaged), body, checks)
            speed = since * args.batch / max(now - checked_at, 1e-3)
            report(run, steps, spent, errors, f"loss {running / max(since, 1):.3f} {speed:.0f}/s")
            checked_at, running, since = time.monotonic(), 0.0, 0
        if over or now - saved_at > 150:
            save(checkpoint, net, average, optimizer, steps, spent, body_model.identity, args.preset)
            saved_at = now
            if args.export:
                export(average.values, args.preset, run if not over else Path(__file__).parents[1] / "weights")
        if over:
            break
        batch = source.batch(args.batch)
        with torch.autocast("cpu", torch.bfloat16):
            steps_now = 0 if config.lifter_width and spent / args.minutes < args.lifter_share else None
            predictions = net(batch.points, batch.camera, use_mesh=args.mesh, steps=steps_now)
        loss, _ = body_losses(
            predictions, truth_of(batch), body, weights, slice(steps % VERTEX_STRIDE, None, VERTEX_STRIDE)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate_at(spent / args.minutes, steps, args.lr)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if flat is not None and steps % FLAT_EVERY == 0:
            people = flat.batch(args.batch)
            with torch.autocast("cpu", torch.bfloat16):
                predictions = net(people.points, people.camera, use_mesh=args.mesh, steps=steps_now)
            reprojection_losses(predictions, people).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        if steps % AVERAGE_EVERY == 0:
            average.update(net)
        running, since, steps = running + float(loss.detach()), since + 1, steps + 1
    return 0


def save(
    path: Path,
    net: BilayerNet,
    average: Average,
    optimizer: torch.optim.Optimizer,
    steps: int,
    minutes: float,
    body: str,
    preset: str,
) -> None:
    """Write beside and rename: a kill leaves the old checkpoint whole."""
    part = path.with_suffix(".part")
    torch.save(
        {
            "net": net.state_dict(),
            "average": average.values,
            "optimizer": optimizer.state_dict(),
            "steps": steps,
            "minutes": minutes,
            "body": body,
            "preset": preset,
        },
        part,
    )
    part.replace(path)


def report(run: Path, steps: int, minutes: float, errors: dict[str, dict[str, float]], note: str) -> None:
    """Append a line to the run's curve and print it."""
    path = run / "curve.csv"
    fresh = not path.exists()
    flat = {f"{level}_{name}": round(value, 2) for level, row in errors.items() for name, value in row.items()}
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(["steps", "minutes", *flat, "note"])
        writer.writerow([steps, round(minutes, 2), *flat.values(), note])
    shown = "  ".join(f"{level}: {row['pa12']:.1f}/{row['pve']:.1f}" for level, row in errors.items())
    print(f"{minutes:6.1f} min {steps:7d} steps  PA12/PVE mm  {shown}  {note}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
