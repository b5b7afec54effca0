"""How well occupancy grids agree with the truth: ``python -m engines.training.evaluate.volumes --cache FOLDER``.

Runs the shipped network (an engine) on the validation crops of `engines.training.bodynet_cache`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.methods.bodynet.surface import surface_level
from engines.training.bodynet_batches import VolumeBatch, VolumeSource
from engines.training.losses.volume import occupied_logits

_BATCH = 16


def overlap(guess: Tensor, truth: Tensor) -> Tensor:
    """(B, ...) bool twice -> (B,) intersection over union; 1 where both are empty."""
    guess, truth = guess.flatten(1), truth.flatten(1)
    union = (guess | truth).sum(1)
    return torch.where(union > 0, (guess & truth).sum(1) / union.clamp_min(1), 1.0)


@torch.inference_mode()
def volume_accuracy(
    predict: Callable[[VolumeBatch], Tensor], source: VolumeSource, people: int | None = None
) -> dict[str, float]:
    """Means over people of the IoU of voxels, and of the front and side silhouettes of the body; of voxels also the
    best that a shift in depth alone reaches (`aligned`: the root's depth is a guess). ``predict``: batch -> logits."""
    found: dict[str, list[Tensor]] = {}
    count = min(len(source), people or len(source))
    for start in range(0, count, _BATCH):
        batch = source.rows(start, min(start + _BATCH, count))
        occupancy, truth = occupied_logits(predict(batch)).sigmoid(), batch.truth.voxels
        guess = torch.stack([volume > surface_level(volume.numpy()) for volume in occupancy])
        shifts = range(-6, 7)
        figures = {
            "voxels": overlap(guess, truth),
            "front": overlap(guess.any(1), truth.any(1)),
            "side": overlap(guess.any(3), truth.any(3)),
            "aligned": torch.stack([overlap(guess.roll(shift, 1), truth) for shift in shifts]).amax(0),
        }
        for name, value in figures.items():
            found.setdefault(name, []).append(value)
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    from engines.methods import WEIGHTS
    from engines.runtime import load_engine

    parser = argparse.ArgumentParser(prog="python -m engines.training.evaluate.volumes", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of engines.training.bodynet_cache")
    parser.add_argument("--run", type=Path, help="a training's run folder instead of the shipped network")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--people", type=int)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    source = VolumeSource(args.cache, "val")
    if args.run:
        from engines.networks.bodynet import PRESETS, BodyNet

        net = BodyNet(PRESETS[args.preset])
        net.load_state_dict(torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"])
        net.eval()

        def predict(batch: VolumeBatch) -> Tensor:
            return net(batch.crops, batch.maps, batch.depth)
    else:
        engine = load_engine(WEIGHTS / f"bodynet-{args.preset}.onnx", "openvino", args.precision)

        def predict(batch: VolumeBatch) -> Tensor:
            maps = batch.maps.numpy()
            inputs = {
                "crops": batch.crops.permute(0, 2, 3, 1).byte().numpy(),
                "heatmaps": np.square(maps[:, :41]),
                "parts": np.log(np.maximum(maps[:, 41:], 1e-3)),
                "depth": batch.depth.numpy(),
            }
            occupancy = torch.from_numpy(next(iter(engine(inputs).values())))
            return occupancy.log() - (1 - occupancy).log() if occupancy.ndim == 4 else occupancy.log()

    figures = volume_accuracy(predict, source, args.people)
    print("IoU over", min(len(source), args.people or len(source)), "people:", end=" ")
    print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
