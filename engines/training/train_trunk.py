"""Train the trunk: ``python -m engines.training trunk --preset small --minutes 90 --resume``."""

from __future__ import annotations

import argparse
import csv
import functools
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch

from engines.networks.hourglass import PRESETS, Trunk
from engines.training.augment import AugmentRanges
from engines.training.averaging import follow
from engines.training.evaluate.trunk import point_accuracy
from engines.training.losses.trunk import depth_loss, heatmap_loss, heatmap_targets, part_loss
from engines.training.memory_format import channels_last
from engines.training.photos.person_crops import load_crops
from engines.training.prefetch import Prefetcher
from engines.training.start_weights import load_shipped
from engines.training.trunk_batches import PhotoSource, SampleSource, TrunkBatch, draw_batch
from kernels.decode_heatmaps import decode_heatmaps

EMA_DECAY = 0.998
POINT_WEIGHTS = (0.5, 1.0)
"""First stack's share of the heatmap loss, last stack's."""


def batch_loss(trunk: Trunk, batch: TrunkBatch, device: torch.device) -> tuple[torch.Tensor, dict[str, float]]:
    """Multi-task loss of one batch and its terms."""
    size = batch.images.shape[1]
    images = torch.from_numpy(batch.images).to(device).permute(0, 3, 1, 2).to(memory_format=torch.channels_last)
    points, depth, parts = (torch.from_numpy(x).to(device) for x in (batch.points, batch.depth, batch.parts))
    with torch.autocast(device.type, torch.bfloat16):
        output = trunk(images.float())
    target, weight = heatmap_targets(points, size // 4, size)
    shares = np.linspace(*POINT_WEIGHTS, len(output.heatmaps))
    terms = {
        "points": sum(s * heatmap_loss(h, target, weight) for s, h in zip(shares, output.heatmaps, strict=True)),
        "parts": 0.5 * part_loss(output.parts, parts),
        "depth": 1.0 * depth_loss(output.depth, depth),
    }
    return sum(terms.values()), {name: float(term.detach()) for name, term in terms.items()}  # type: ignore[return-value]


def predictor(trunk: Trunk, device: torch.device):
    """Crops to points, for evaluation."""

    def predict(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            batch = torch.from_numpy(images).to(device).permute(0, 3, 1, 2)
            heatmaps = trunk(batch.to(memory_format=torch.channels_last).float()).heatmaps[-1].float()
        probability = heatmaps.flatten(2).softmax(-1).view_as(heatmaps)
        return decode_heatmaps(probability.cpu().numpy(), images.shape[1])

    return predict


def training_sources(cache: Path, shared: Path, synthetic: Path | None, share: float, everything: bool):
    """Photographs, and rendered people where there are any, with their shares of a batch."""
    sources: list[tuple[SampleSource, float]] = [
        (PhotoSource(load_crops(cache, shared, "train", everything=everything)), 1 - share)
    ]
    if synthetic is not None:
        from engines.training.synthetic_source import SyntheticSource

        sources.append((SyntheticSource(synthetic, "train"), share))
    return sources


def main(argv: list[str]) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(prog="python -m engines.training trunk", description=__doc__)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--minutes", type=float, default=90, help="length of the whole schedule")
    parser.add_argument("--stop-after", type=float, help="stop this chunk after so many minutes; --resume goes on")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=Path, help="begin with shipped weights, PATH.safetensors")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--synthetic", type=Path, help="folder of factory shards")
    parser.add_argument("--synthetic-share", type=float, default=0.4)
    parser.add_argument("--everything", action="store_true", help="also photographs without an open licence")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--sizes", default="128:0.6,192:1", help="crop side until this share of the schedule")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eval-minutes", type=float, default=5)
    arguments = parser.parse_args(argv)
    run = arguments.run or Path("runs") / f"trunk-{arguments.preset}"
    run.mkdir(parents=True, exist_ok=True)
    (run / "config.json").write_text(
        json.dumps(vars(arguments) | {"net": asdict(PRESETS[arguments.preset])}, default=str)
    )

    torch.manual_seed(arguments.seed)
    cv2.setNumThreads(1)  # Samples are drawn on one thread while the network uses the cores.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trunk, average = (channels_last(Trunk(PRESETS[arguments.preset]).to(device)) for _ in range(2))
    if arguments.start:
        load_shipped(trunk, arguments.start, "trunk.")
    average.load_state_dict(trunk.state_dict())
    average.eval()
    optimiser = torch.optim.AdamW(trunk.parameters(), lr=arguments.rate, weight_decay=1e-4, fused=True)
    step, elapsed_before = 0, 0.0
    checkpoint = run / "checkpoint.pt"
    if arguments.resume and checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        trunk.load_state_dict(state["trunk"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step, elapsed_before = state["step"], state["elapsed_s"]

    sources = training_sources(
        arguments.cache, arguments.shared, arguments.synthetic, arguments.synthetic_share, arguments.everything
    )
    val = load_crops(arguments.cache, arguments.shared, "val")
    started, total_s = time.monotonic(), arguments.minutes * 60
    sizes = [(int(s), float(until)) for s, until in (item.split(":") for item in arguments.sizes.split(","))]

    def elapsed() -> float:
        return elapsed_before + time.monotonic() - started

    def save() -> None:
        temporary = checkpoint.with_suffix(".tmp")
        torch.save(
            {
                "trunk": trunk.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(),
                "step": step, "elapsed_s": elapsed(),
            },
            temporary,
        )  # fmt: skip
        temporary.replace(checkpoint)

    def evaluate(size: int) -> None:
        predict = predictor(average, device)
        human, teacher = (point_accuracy(predict, val, size, human=flag) for flag in (True, False))
        print(f"[{elapsed() / 60:6.1f} min, step {step}, {size} px] human {human} | teacher {teacher}", flush=True)
        with (run / "curve.csv").open("a", newline="") as handle:
            csv.writer(handle).writerow([f"{elapsed() / 60:.2f}", step, size, human.oks, human.pck, teacher.pck])

    stop_s = min(total_s, elapsed_before + (arguments.stop_after or math.inf) * 60)
    last_eval = last_save = elapsed()
    for size, until in sizes:
        if elapsed() >= min(until * total_s, stop_s):
            continue
        rng = np.random.default_rng(arguments.seed + step)
        draw = functools.partial(draw_batch, rng, sources, arguments.batch, size, AugmentRanges())
        with Prefetcher(draw) as batches:
            seen, window, sums = 0, time.monotonic(), dict[str, float]()
            while elapsed() < min(until * total_s, stop_s):
                progress = elapsed() / total_s
                warm_up = min(1.0, (step + 1) / 200)
                for group in optimiser.param_groups:
                    group["lr"] = arguments.rate * warm_up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
                loss, terms = batch_loss(trunk, batches.next(), device)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trunk.parameters(), 5.0)
                optimiser.step()
                optimiser.zero_grad()
                step += 1
                follow(average, trunk, EMA_DECAY, step)
                seen += arguments.batch
                for name, term in terms.items():
                    sums[name] = sums.get(name, 0.0) + term
                if step % 100 == 0:
                    seconds = time.monotonic() - window
                    report = " ".join(f"{name} {total * arguments.batch / seen:.3f}" for name, total in sums.items())
                    print(f"{elapsed() / 60:6.1f} min step {step} {seen / seconds:.0f} img/s {report}", flush=True)
                    seen, window, sums = 0, time.monotonic(), {}
                if elapsed() - last_save > 120:
                    save()
                    last_save = elapsed()
                if elapsed() - last_eval > arguments.eval_minutes * 60:
                    evaluate(size)
                    last_eval = elapsed()
    save()
    evaluate(sizes[-1][0])
    return 0
