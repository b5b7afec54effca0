"""Train the bilayer network on endless posed bodies (geometry stage), on what a trunk saw (--images: image stage), or
together with an encoder on rendered pictures (--encoder).

`python -m engines.training bilayer --preset small --minutes 60 --resume`; see `--help`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch

from engines.body import load_body
from engines.networks.bilayer import PRESETS, BilayerNet
from engines.networks.bilayer.export import export
from engines.networks.bilayer.kinematics import Kinematics
from engines.networks.encoders import ENCODERS
from engines.networks.rotation6d import six_from_matrix
from engines.training.flat_people import FlatPeople, reprojection_losses
from engines.training.geometry import GeometryOptions, GeometrySource
from engines.training.losses.body import LossWeights, body_losses, truth_of
from engines.training.mixed_precision import mixed_precision
from engines.training.motion_capture import read_poses
from engines.training.run import TrainingRun, add_run_options, run_options
from engines.training.start_weights import narrowed, shipped_weights
from engines.training.stature import LEVEL, restore_stature
from engines.training.validate_lifting import (
    deployed_predictor,
    lifting_errors,
    lifting_words,
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
    add_run_options(parser, minutes=60, rate=1e-3)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/mocap/ in it")
    parser.add_argument("--batch", type=int, help="default 256, with --encoder 16")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--lifter-share", type=float, default=0.6, help="share of the schedule without refinements: twice as fast"
    )
    parser.add_argument(
        "--mesh",
        action=argparse.BooleanOptionalAction,
        help="train the mesh and fusion graphs too: they halve the speed; default: with --images or --encoder alone",
    )
    parser.add_argument("--export", action="store_true", help="write the averaged weights into engines/weights")
    parser.add_argument("--no-flat", action="store_true", help="leave out the people known by 2D keypoints alone")
    parser.add_argument("--focal", type=float, default=LossWeights().focal, help="weight of the focal loss; 0: none")
    parser.add_argument(
        "--reprojection", type=float, default=LossWeights().image, help="weight of the projected points; 0: none"
    )
    parser.add_argument("--images", type=Path, help="train the image stage on this folder made by trunk_cache")
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    encoder = parser.add_argument_group("from pictures to bodies, --encoder")
    encoder.add_argument("--encoder", choices=("hourglass", *ENCODERS), help="train this encoder along")
    encoder.add_argument("--synthetic", type=Path, help="folder of factory shards")
    encoder.add_argument("--start-encoder", type=Path, help="checkpoint.pt of such a run, or PATH.safetensors")
    encoder.add_argument("--encoder-width", type=float, default=1.0, help="channels as a share of the paper's")
    encoder.add_argument("--batch-norm", action=argparse.BooleanOptionalAction, default=True, help="of VGG")
    encoder.add_argument("--init", choices=("he", "normal"), default="he", help="of VGG and ResNet from scratch")
    encoder.add_argument("--size", type=int, default=192, help="side of the crops, px")
    encoder.add_argument("--scale-jitter", type=float, default=0.2, help="log of the crops' largest change of size")
    encoder.add_argument("--val-people", type=int, default=256)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Train, validate, save; returns an exit code."""
    args = arguments(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.batch = args.batch or (16 if args.encoder else 256)
    if args.images:
        from engines.training.train_bilayer_seen import train

        return train(args)
    if args.encoder:
        from engines.training.train_bilayer_encoder import train as train_encoder

        return train_encoder(args)
    body_model = load_body()
    body = Kinematics(body_model)
    bank = read_poses(args.shared / "data" / "mocap", val=False)
    checks = validation_batches(read_poses(args.shared / "data" / "mocap", val=True), body)
    config = PRESETS[args.preset]
    net = BilayerNet(config, body_model, six_from_matrix(mean_rotations(bank)))
    if args.start:
        net.load_state_dict(narrowed(shipped_weights(args.start, "net."), net))
    # Not Muon: on a CPU, orthogonalising matrices of this width costs several times the step itself (docs/training.md).
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    described = vars(args) | {"net": asdict(config), "body": body_model.identity}
    run = TrainingRun(
        run_options(args, f"bilayer-{args.preset}"), net, optimiser, described,
        average_every=AVERAGE_EVERY, average=BilayerNet(config, body_model),
    )  # fmt: skip
    source = GeometrySource(bank, body, GeometryOptions(), seed=args.seed + 7919 * (run.step + 1))
    everyday = args.shared / "data" / "coco_people" / "keypoints_only.npz"
    flat = FlatPeople(everyday, args.seed + run.step) if everyday.is_file() and not args.no_flat else None

    def evaluate() -> None:
        errors = lifting_errors(network_predictor(run.average), body, checks)
        figures = {f"{level} {name}": row[name] for level, row in errors.items() for name in ("pa12", "pve")}
        run.record(figures, "PA12/PVE mm  " + lifting_words(errors))

    print("mean pose, PA12/PVE mm ", lifting_words(lifting_errors(mean_pose_predictor(bank, body), body, checks)))
    weights = LossWeights(focal=args.focal, image=args.reprojection)
    use_mesh = bool(args.mesh)
    net.train()
    for step in run.steps():
        batch = source.batch(args.batch)
        refinements = 0 if config.lifter_width and run.progress < args.lifter_share else None
        with mixed_precision():
            predictions = net(batch.points, batch.camera, use_mesh=use_mesh, steps=refinements)
        pick = slice(step % VERTEX_STRIDE, None, VERTEX_STRIDE)
        loss, _ = body_losses(predictions, truth_of(batch), body, weights, pick)
        loss.backward()
        if flat is not None and step % FLAT_EVERY == 0:
            people = flat.batch(args.batch)
            with mixed_precision():
                predictions = net(people.points, people.camera, use_mesh=use_mesh, steps=refinements)
            reprojection_losses(predictions, people).backward()
        run.descend(args.batch, loss=loss.detach())
        if run.validation_due():
            evaluate()
    evaluate()
    shipped = lifting_errors(deployed_predictor(run.average), body, checks)
    print("and of the mirror image, PA12/PVE mm ", lifting_words(shipped))
    if args.export:
        restore_stature(run.average, checks[LEVEL])
        export(run.average.state_dict(), args.preset, Path(__file__).parents[1] / "weights")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
