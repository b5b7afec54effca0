"""Train the locator: ``python -m engines.training locator --preset small --minutes 40 --resume``."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from engines.locator import Locator
from engines.networks.locator import PRESETS, LocatorNet
from engines.training.cutouts import Cutouts
from engines.training.evaluate.locator import detection_accuracy
from engines.training.locator_batches import LocatorBatch, draw_locator_batch, load_photos
from engines.training.memory_format import channels_last
from engines.training.mixed_precision import mixed_precision
from engines.training.muon import HiddenMuon
from engines.training.photos.person_crops import load_crops
from engines.training.prefetch import Prefetcher
from engines.training.run import TrainingRun, add_run_options, run_options
from engines.training.stages import Stages
from engines.training.start_weights import load_shipped
from engines.training.teacher_boxes import TeacherBoxes


def locator_loss(logits: Tensor, sides: Tensor, batch: LocatorBatch) -> Tensor:
    """Penalty-reduced focal loss on centres (Objects as Points, eq. 1) and IoU loss on boxes."""
    heat, weight, true_sides, sides_weight = (
        torch.from_numpy(x).to(logits.device) for x in (batch.heat, batch.weight, batch.sides, batch.sides_weight)
    )
    logits = logits.float().squeeze(1)
    p = logits.sigmoid()
    positive = heat > 0.95
    log_p, log_not = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    focal = torch.where(positive, (1 - p) ** 2 * log_p, (1 - heat) ** 4 * p**2 * log_not)
    people = positive.sum().clamp_min(1)
    centre_loss = -(focal * weight).sum() / people
    low = torch.minimum(sides, true_sides)
    inter = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    area = (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])
    true_area = (true_sides[:, 0] + true_sides[:, 2]) * (true_sides[:, 1] + true_sides[:, 3])
    iou = inter / (area + true_area - inter).clamp_min(1)
    box_loss = ((-iou.clamp_min(0.01).log()) * sides_weight).sum() / sides_weight.sum().clamp_min(1)
    return centre_loss + box_loss


class TorchEngine:
    """The network as the `Locator` calls it, for evaluation while training."""

    def __init__(self, net: LocatorNet, device: torch.device) -> None:
        self.net, self.device = net, device

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        picture = torch.from_numpy(inputs["picture"]).to(self.device).permute(0, 3, 1, 2).float()
        with torch.inference_mode(), mixed_precision(self.device.type):
            scores, sides = self.net(picture.contiguous(memory_format=torch.channels_last))
        return {"scores": scores.float().cpu().numpy(), "sides": sides.float().cpu().numpy()}


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training locator", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    add_run_options(parser, minutes=40, rate=1e-3, eval_minutes=6)
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--teachers", type=Path, help="folder of nanodet.onnx: its boxes for people without labels")
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--augmentation", type=float, default=1.0, help="share of the full augmentation")
    parser.add_argument(
        "--sizes",
        type=Stages.parse,
        default="256:0.5,320:0.8,416:1",
        help="input side until this share of the schedule",
    )
    arguments = parser.parse_args(argv)

    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)  # Samples are drawn on one thread while the network uses the cores.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    preset = PRESETS[arguments.preset]
    net = channels_last(LocatorNet(preset).to(device))
    if arguments.start:
        load_shipped(net, arguments.start, "net.")
    optimiser = HiddenMuon(net, arguments.rate, apart=("score", "sides"))
    run = TrainingRun(run_options(arguments, f"locator-{arguments.preset}"), net, optimiser, vars(arguments))
    photos, val = (load_photos(arguments.shared, split) for split in ("train", "val"))
    if arguments.teachers:
        photos = TeacherBoxes.cached(arguments.cache / "nanodet-train.npz", photos, arguments.teachers).added_to(photos)
    cutouts = Cutouts(load_crops(arguments.cache, arguments.shared, "train"))
    rng = np.random.default_rng(arguments.seed + run.step)

    def draw() -> LocatorBatch:
        size = int(arguments.sizes.at(run.progress))
        return draw_locator_batch(rng, photos, arguments.batch, size, cutouts, arguments.augmentation)

    def evaluate() -> None:
        found = detection_accuracy(Locator(TorchEngine(run.average, device), preset.input_px, min_score=0.05), val)
        run.record({"AP50": found.average_precision, "recall": found.recall_at_one_false_alarm}, str(found))

    with Prefetcher(draw) as batches:
        for _ in run.steps():
            batch = batches.next()
            picture = torch.from_numpy(batch.images).to(device).permute(0, 3, 1, 2)
            with mixed_precision(device.type):
                scores, sides = net(picture.to(memory_format=torch.channels_last).float())
            loss = locator_loss(scores, sides, batch)
            loss.backward()
            run.descend(arguments.batch, loss=loss.detach())
            if run.validation_due():
                evaluate()
    evaluate()
    return 0
