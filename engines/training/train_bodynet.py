"""Train BodyNet's shape network: ``python -m engines.training bodynet --cache FOLDER``; see docs/methods/bodynet.md.

The stages of the paper: the networks that make its inputs are trained apart (trunk and lifter, frozen in the cache of
`engines.training.bodynet_cache`); then voxels alone; from ``--projections-from`` of the schedule on with the
silhouettes; and with ``--end-to-end TRUNK.safetensors`` the trunk learns along.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from engines.body import load_body
from engines.networks.bodynet import PRESETS, BodyNet
from engines.training.bodynet_batches import VolumeBatch, VolumeSource
from engines.training.bodynet_cache import MESH_LEVEL
from engines.training.bodynet_end_to_end import TrunkAlong
from engines.training.evaluate.volumes import volume_accuracy
from engines.training.losses.volume import volume_losses
from engines.training.memory_format import channels_last
from engines.training.mixed_precision import mixed_precision
from engines.training.muon import HiddenMuon
from engines.training.run import TrainingRun, add_run_options, run_options

APART = ("picture", "maps", "head")
"""Inputs and output: left to AdamW."""


def predictor(net: BodyNet) -> Callable[[VolumeBatch], Tensor]:
    """Float32 logits of a batch."""

    def predict(batch: VolumeBatch) -> Tensor:
        with mixed_precision():
            return net(batch.crops, batch.maps, batch.depth).float()

    return predict


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training bodynet", description=__doc__)
    add_run_options(parser, minutes=30, rate=2e-3, eval_minutes=5)
    parser.add_argument("--cache", type=Path, required=True, help="folder of engines.training.bodynet_cache")
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument(
        "--projections-from", type=float, default=0.4, help="share of the schedule without silhouettes; 1: never any"
    )
    parser.add_argument("--end-to-end", type=Path, help="weights of the trunk, which then learns along")
    parser.add_argument("--start", type=Path, help="checkpoint of another run to go on from, as the paper's stages do")
    parser.add_argument("--val-people", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    net = channels_last(BodyNet(PRESETS[args.preset]))
    if args.start:
        net.load_state_dict(torch.load(args.start, map_location="cpu", weights_only=True)["average"])
    along = TrunkAlong(args.end_to_end, args.rate) if args.end_to_end else None
    optimiser = HiddenMuon(net, args.rate, APART)
    described = vars(args) | {"net": asdict(net.preset)}
    run = TrainingRun(run_options(args, f"bodynet-{args.preset}"), net, optimiser, described)
    parts = load_body().parts(MESH_LEVEL) if net.preset.classes > 1 else None
    source = VolumeSource(args.cache, "train", args.seed + 7919 * run.step, parts)
    check = VolumeSource(args.cache, "val")

    def evaluate() -> None:
        run.record(volume_accuracy(predictor(run.average), check, args.val_people))

    net.train()
    for _ in run.steps():
        batch = source.draw(args.batch)
        if along:
            batch = along.see(batch)
        with mixed_precision():
            logits = net(batch.crops, batch.maps, batch.depth)
        projections = run.progress >= args.projections_from
        # Rows of cells side by side, as the truth and the projections have them.
        losses = volume_losses(logits.float().contiguous(), batch.truth, projections=projections)
        total = torch.stack(list(losses.values())).sum() + (along.anchor if along else 0.0)
        total.backward()
        if along:
            along.descend()
        # The voxels are mostly empty: per mille is readable.
        run.descend(args.batch, **{name: 1000 * loss.detach() for name, loss in losses.items()})
        if run.validation_due():
            evaluate()
    evaluate()
    if along:
        torch.save(along.trunk.state_dict(), run.options.folder / "trunk.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
