"""Train the locator: ``python -m engines.training locator --preset small --minutes 40 --resume``."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from engines.locator import Locator
from engines.networks.locator import PRESETS, LocatorNet
from engines.training.averaging import follow
from engines.training.cutouts import Cutouts
from engines.training.evaluate.locator import detection_accuracy
from engines.training.locator_batches import LocatorBatch, draw_locator_batch, load_photos
from engines.training.memory_format import channels_last
from engines.training.photos.person_crops import load_crops
from engines.training.prefetch import Prefetcher
from engines.training.start_weights import load_shipped

EMA_DECAY = 0.998


def locator_loss(logits: Tensor, sides: Tensor, batch: LocatorBatch) -> Tensor:
    """Penalty-reduced focal loss on centres (Objects as Points, eq. 1) and IoU loss on boxes."""
    heat, weight, true_sides, sides_weight = (
        torch.from_numpy(x) for x in (batch.heat, batch.weight, batch.sides, batch.sides_weight)
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

    def __init__(self, net: LocatorNet) -> None:
        self.net = net

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        picture = torch.from_numpy(inputs["picture"]).permute(0, 3, 1, 2).float()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            scores, sides = self.net(picture.contiguous(memory_format=torch.channels_last))
        return {"scores": scores.float().numpy(), "sides": sides.float().numpy()}


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training locator", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--minutes", type=float, default=40, help="length of the whole schedule")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sizes", default="256:0.7,320:1", help="input side until this share of the schedule")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--eval-minutes", type=float, default=6)
    arguments = parser.parse_args(argv)
    run = arguments.run or Path("runs") / f"locator-{arguments.preset}"
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    preset = PRESETS[arguments.preset]
    net, average = (channels_last(LocatorNet(preset)) for _ in range(2))
    if arguments.start:
        load_shipped(net, arguments.start, "net.")
    average.load_state_dict(net.state_dict())
    average.eval()
    optimiser = torch.optim.AdamW(net.parameters(), lr=arguments.rate, weight_decay=1e-4, fused=True)
    step, elapsed_before = 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if arguments.resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, elapsed_before = state["step"], state["elapsed_s"]
    photos = load_photos(arguments.shared, "train")
    val = load_photos(arguments.shared, "val")
    cutouts = Cutouts(load_crops(arguments.cache, arguments.shared, "train"))
    started, total_s = time.monotonic(), arguments.minutes * 60

    def elapsed() -> float:
        return elapsed_before + time.monotonic() - started

    def save() -> None:
        temporary = checkpoint.with_suffix(".tmp")
        state = {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save(state | {"step": step, "elapsed_s": elapsed()}, temporary)
        temporary.replace(checkpoint)

    def evaluate() -> None:
        report = detection_accuracy(Locator(TorchEngine(average), preset.input_px, min_score=0.05), val)
        print(f"[{elapsed() / 60:6.1f} min, step {step}] {report}", flush=True)

    rng = np.random.default_rng(arguments.seed + step)
    last_eval = last_save = elapsed()
    sizes = [(int(size), float(until)) for size, until in (item.split(":") for item in arguments.sizes.split(","))]

    def draw() -> LocatorBatch:
        size = next((size for size, until in sizes if elapsed() < until * total_s), sizes[-1][0])
        return draw_locator_batch(rng, photos, arguments.batch, size, cutouts)

    with Prefetcher(draw) as batches:
        window, total = time.monotonic(), 0.0
        while elapsed() < total_s:
            rate = arguments.rate * min(1, (step + 1) / 200) * (0.51 + 0.49 * math.cos(math.pi * elapsed() / total_s))
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = batches.next()
            picture = torch.from_numpy(batch.images).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                scores, sides = net(picture.float())
            loss = locator_loss(scores, sides, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            optimiser.zero_grad()
            step += 1
            follow(average, net, EMA_DECAY, step)
            total += float(loss.detach())
            if step % 100 == 0:
                speed = 100 * arguments.batch / (time.monotonic() - window)
                print(f"{elapsed() / 60:6.1f} min step {step} {speed:.0f} img/s loss {total / 100:.3f}", flush=True)
                window, total = time.monotonic(), 0.0
            if elapsed() - last_save > 120:
                save()
                last_save = elapsed()
            if elapsed() - last_eval > arguments.eval_minutes * 60:
                evaluate()
                last_eval = elapsed()
    save()
    evaluate()
    return 0
