"""Train the trunk: ``python -m engines.training trunk --preset small --minutes 90 --resume``."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from engines.keypoints import NUM_COCO, NUM_POINTS
from engines.metrics import AREA_OF_BOX, COCO_SIGMAS
from engines.networks.hourglass import PRESETS, Trunk
from engines.training.augment import AugmentRanges
from engines.training.evaluate.trunk import point_accuracy
from engines.training.losses.ordinal import order_loss
from engines.training.losses.trunk import depth_loss, heatmap_loss, heatmap_targets, part_loss, place_loss
from engines.training.memory_format import channels_last
from engines.training.mixed_precision import mixed_precision
from engines.training.muon import HiddenMuon
from engines.training.nobody_source import NobodySource
from engines.training.photos.backs import shows_back
from engines.training.photos.person_crops import load_crops
from engines.training.prefetch import Prefetcher
from engines.training.run import Optimiser, TrainingRun, add_run_options, run_options
from engines.training.stages import Stages
from engines.training.start_weights import load_shipped
from engines.training.trunk_batches import PhotoSource, SampleSource, TrunkBatch, draw_batch
from kernels.decode_heatmaps import decode_heatmaps

POINT_WEIGHTS = (0.5, 1.0)
"""First stack's share of the heatmap loss, last stack's."""
SPREAD = np.append(COCO_SIGMAS, np.full(NUM_POINTS - NUM_COCO, 0.08)) * 2 * math.sqrt(AREA_OF_BOX * 0.32)
"""(41,) where OKS is exp(-1/2), in sides of a crop that shows a person half as wide as tall with the usual margin."""


def batch_loss(
    trunk: Trunk,
    batch: TrunkBatch,
    device: torch.device,
    *,
    place: float = 0.0,
    ordinal: float = 0.0,
    metric: bool = True,
) -> tuple[torch.Tensor, dict[str, float]]:
    """Multi-task loss of one batch and its terms.

    ``place``: weight of the loss on where points are read (`losses.trunk.place_loss`). ``ordinal``: weight of the
    ranking loss on the order of known depths (`losses.ordinal`); without ``metric`` that order is all that is learned
    of depth, and any numbers that grow with depth will do for labels.
    """
    size = batch.images.shape[1]
    images = torch.from_numpy(batch.images).to(device).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
    points, depth, parts = (torch.from_numpy(x).to(device) for x in (batch.points, batch.depth, batch.parts))
    deep = torch.isfinite(depth).any(1)
    with mixed_precision(device.type):
        # Photographs know no depth and not all points: what nobody asks for is not computed.
        output = trunk(images.float(), depth_rows=deep)
    depth = depth[deep]
    known = points[..., 2] > 0
    target, weight = heatmap_targets(points[known], size // 4, size)
    shares = np.linspace(*POINT_WEIGHTS, len(output.heatmaps))
    terms = {
        "points": sum(s * heatmap_loss(h[known], target, weight) for s, h in zip(shares, output.heatmaps, strict=True)),
        "parts": 0.5 * part_loss(output.parts, parts),
    }
    if place:
        spread = points.new_tensor(SPREAD * (size // 4)).expand(len(points), -1)[known]
        terms["place"] = place * place_loss(output.heatmaps[-1][known], points[known], spread, size)
    if metric:
        terms["depth"] = 1.0 * depth_loss(output.depth, depth)
    if ordinal:
        terms["order"] = ordinal * order_loss(output.depth, depth)
    return sum(terms.values()), {name: float(term.detach()) for name, term in terms.items()}  # type: ignore[return-value]


def predictor(trunk: Trunk, device: torch.device):
    """Crops to points, for evaluation."""

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), mixed_precision(device.type):
            batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
            heatmaps = trunk(batch.to(memory_format=torch.channels_last).float()).heatmaps[-1].float()
        probability = heatmaps.flatten(2).softmax(-1).view_as(heatmaps)
        return decode_heatmaps(probability.cpu().numpy(), images.shape[1])

    return predict


def training_sources(
    cache: Path, shared: Path, synthetic: Path | None, share: float, nobody_share: float, backs: int, everything: bool
):
    """Photographs of people and of nobody, and rendered people where there are any, with their shares of a batch."""
    crops = load_crops(cache, shared, "train", everything=everything)
    rows = np.repeat(np.arange(len(crops.images)), np.where(shows_back(crops.points), backs, 1))
    sources: list[tuple[SampleSource, float]] = [(PhotoSource(crops, rows=rows), 1 - share - nobody_share)]
    if nobody_share:
        sources.append((NobodySource(shared, "train"), nobody_share))
    if synthetic is not None:
        from engines.training.synthetic_source import SyntheticSource

        sources.append((SyntheticSource(synthetic, "train"), share))
    return sources


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training trunk", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    add_run_options(parser, minutes=90, rate=1e-3)
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--synthetic", type=Path, help="folder of factory shards")
    parser.add_argument("--synthetic-share", type=float, default=0.25)
    parser.add_argument("--nobody-share", type=float, default=0.06, help="of the crops, that show nobody")
    parser.add_argument("--backs", type=int, default=1, help="people seen from behind are drawn so many times as often")
    parser.add_argument("--everything", action="store_true", help="also photographs without an open licence")
    parser.add_argument("--place", type=float, default=1.0, help="weight of the loss on where points are read")
    parser.add_argument("--ordinal", type=float, default=0.0, help="weight of the ranking loss on depth order")
    parser.add_argument("--no-metric-depth", action="store_true", help="learn the order of depths alone")
    parser.add_argument("--optimiser", choices=("muon", "adamw"), default="muon")
    parser.add_argument(
        "--augmentation",
        type=Stages.parse,
        default="1",
        help="share of the full augmentation, or shares along the schedule, as of --sizes",
    )
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument(
        "--sizes",
        type=Stages.parse,
        default="128:0.4,160:0.7,192:1",
        help="crop side until this share of the schedule",
    )
    arguments = parser.parse_args(argv)

    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)  # Samples are drawn on one thread while the network uses the cores.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trunk = channels_last(Trunk(PRESETS[arguments.preset]).to(device))
    if arguments.start:
        load_shipped(trunk, arguments.start, "trunk.")
    optimiser: Optimiser
    if arguments.optimiser == "muon":
        optimiser = HiddenMuon(trunk, arguments.rate, apart=("point_heads", "part_head", "depth_head"))
    else:
        optimiser = torch.optim.AdamW(trunk.parameters(), lr=arguments.rate, weight_decay=1e-4, fused=True)
    config = vars(arguments) | {"net": asdict(PRESETS[arguments.preset])}
    run = TrainingRun(run_options(arguments, f"trunk-{arguments.preset}"), trunk, optimiser, config)
    sources = training_sources(
        arguments.cache,
        arguments.shared,
        arguments.synthetic,
        arguments.synthetic_share,
        arguments.nobody_share,
        arguments.backs,
        arguments.everything,
    )
    val = load_crops(arguments.cache, arguments.shared, "val")
    rng = np.random.default_rng(arguments.seed + run.step)

    def size_now() -> int:
        return int(arguments.sizes.at(run.progress))

    def draw() -> TrunkBatch:
        ranges = AugmentRanges().scaled(arguments.augmentation.at(run.progress))
        return draw_batch(rng, sources, arguments.batch, size_now(), ranges)

    def evaluate() -> None:
        predict = predictor(run.average, device)
        human, teacher = (point_accuracy(predict, val, size_now(), human=flag) for flag in (True, False))
        figures = {"OKS": human.oks, "PCK": human.pck, "teacher PCK": teacher.pck}
        run.record(figures, f"{size_now()} px, human {human} | teacher {teacher}")

    with Prefetcher(draw) as batches:
        for _ in run.steps():
            loss, terms = batch_loss(
                trunk,
                batches.next(),
                device,
                place=arguments.place,
                ordinal=arguments.ordinal,
                metric=not arguments.no_metric_depth,
            )
            loss.backward()
            run.descend(arguments.batch, **terms)
            if run.validation_due():
                evaluate()
    evaluate()
    return 0
