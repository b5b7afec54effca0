"""Train an encoder and the bilayer network on it together, from rendered pictures to bodies.

`python -m engines.training bilayer --encoder vgg16 --synthetic FOLDER ...` comes here. The bilayer network starts from
shipped weights (--start), the encoder from nothing, from an earlier run or from a shallower one (--start-encoder).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from engines.networks.bilayer import BodyPrediction
from engines.networks.bilayer.encoded import EncodedBilayer, build_encoder
from engines.networks.bilayer.export import export
from engines.networks.deploy import DeployedTrunk
from engines.networks.encoders import EncoderTrunk, from_shallow, initialise
from engines.networks.hourglass import TrunkOutput
from engines.networks.ship import ship
from engines.training.evaluate.looks import WAYS, averaged_errors
from engines.training.losses.body import LossWeights, Truth, body_losses
from engines.training.losses.trunk import depth_loss, heatmap_loss, heatmap_targets, part_loss
from engines.training.memory_format import channels_last
from engines.training.mixed_precision import mixed_precision
from engines.training.rendered_views import Looked, RenderedBatch, RenderedViews, looked_at
from engines.training.run import TrainingRun, run_options
from engines.training.start_weights import load_shipped, shipped_weights
from engines.training.synthetic_source import SyntheticSource
from engines.training.train_bilayer import VERTEX_STRIDE
from engines.training.train_bilayer_seen import grown


def picture_losses(output: TrunkOutput, batch: RenderedBatch, looked: Looked) -> dict[str, Tensor]:
    """What the encoder's own heads owe, weighted as in the trunk's training."""
    size = batch.images.shape[1]
    target, weight = heatmap_targets(torch.from_numpy(batch.points), size // 4, size)
    return {
        "points": heatmap_loss(output.heatmaps[-1], target, weight),
        "parts": 0.5 * part_loss(output.parts, torch.from_numpy(batch.parts)),
        "depth": depth_loss(output.depth, looked.depth),
    }


def see(
    net: EncodedBilayer, batch: RenderedBatch, *, use_mesh: bool
) -> tuple[TrunkOutput, Looked, list[BodyPrediction]]:
    """Pictures -> the encoder's outputs, its points with the truth, and bodies from the first to the last."""
    images = torch.from_numpy(batch.images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    with mixed_precision():
        output: TrunkOutput = net.trunk(images.float())
        looked = looked_at(batch, output)
        bodies = net.lifter(looked.points, looked.camera, (output.features.float(),), use_mesh=use_mesh)
    return output, looked, bodies


def start_encoder(net: EncodedBilayer, path: Path) -> None:
    """Weights of a shipped trunk (.safetensors), of another run of this command, or of a shallower VGG's.

    Raises ValueError or RuntimeError where they are of another encoder.
    """
    if path.suffix == ".safetensors":
        load_shipped(net.trunk, path, "trunk.")
        return
    saved = torch.load(path, map_location="cpu", weights_only=True)["average"]
    state = {name.removeprefix("trunk."): value for name, value in saved.items() if name.startswith("trunk.")}
    if state.keys() == net.trunk.state_dict().keys():
        net.trunk.load_state_dict(state)
    else:
        print(
            f"from a shallower network: {len(from_shallow(net.trunk, state))} of {len(net.trunk.state_dict())} tensors"
        )


def train(args: argparse.Namespace) -> int:
    """Arguments of `train_bilayer`; returns an exit code."""
    if args.synthetic is None:
        raise SystemExit("--encoder learns from pictures: give --synthetic FOLDER (python -m engines.training.factory)")
    net, average = (
        EncodedBilayer(
            build_encoder(args.encoder, width=args.encoder_width, input_px=args.size, batch_norm=args.batch_norm),
            args.preset,
        )
        for _ in range(2)
    )
    net = channels_last(net)
    if args.init == "normal" and isinstance(net.trunk, EncoderTrunk):
        initialise(net.trunk.encoder, "normal")
    if args.start:
        net.lifter.load_state_dict(grown(shipped_weights(args.start, "net."), net.lifter), strict=False)
    if args.start_encoder:
        start_encoder(net, args.start_encoder)
    optimiser = torch.optim.AdamW(net.parameters(), lr=args.rate, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    described = vars(args) | {"net": asdict(net.lifter.config)}
    options = run_options(args, f"bilayer-{args.preset}-{args.encoder}")
    run = TrainingRun(options, net, optimiser, described, average=average, decay=0.99)
    source = RenderedViews(args.synthetic, args.seed + 7919 * run.step, args.scale_jitter)
    check = SyntheticSource(args.synthetic, "val")
    body, weights = net.lifter.body, LossWeights(focal=args.focal, image=args.reprojection)
    use_mesh = args.mesh is not False

    def look(batch: RenderedBatch) -> tuple[BodyPrediction, Truth]:
        with torch.inference_mode():
            _, looked, bodies = see(run.average, batch, use_mesh=use_mesh)
        return bodies[-1], looked.truth

    net.train()
    for step in run.steps():
        batch = source.batch(args.batch, args.size)
        output, looked, bodies = see(net, batch, use_mesh=use_mesh)
        terms = picture_losses(output, batch, looked)
        pick = slice(step % VERTEX_STRIDE, None, VERTEX_STRIDE)
        terms["bodies"], _ = body_losses(bodies, looked.truth, body, weights, pick)
        torch.stack(list(terms.values())).sum().backward()
        run.descend(len(batch.rows), **{name: term.detach() for name, term in terms.items()})
        if run.validation_due():
            run.record(averaged_errors(look, body, check, args.val_people, args.size))
    run.record(averaged_errors(look, body, check, args.val_people, args.size))
    for name, value in averaged_errors(look, body, check, args.val_people, args.size, tuple(WAYS)).items():
        print(f"{name} {value:.1f} mm")
    if args.export:
        print(export_pair(run.average, args.preset, options.folder))
    return 0


def export_pair(net: EncodedBilayer, preset: str, folder: Path) -> tuple[Path, Path]:
    """trunk-ENCODER.onnx and bilayer-PRESET.onnx with their weights and sidecars; returns both paths."""
    side = net.trunk.preset.input_px
    trunk = DeployedTrunk(net.trunk)
    name = str(net.trunk.preset) if isinstance(net.trunk, EncoderTrunk) else "small"
    state = {f"trunk.{key}": value for key, value in net.trunk.state_dict().items()}
    crops = {"crops": torch.zeros(2, side, side, 3, dtype=torch.uint8)}
    seen = ship(trunk, "trunk", name, state, folder, crops, trunk.outputs)
    return seen, export(net.lifter.state_dict(), preset, folder, (net.channels,), side)
