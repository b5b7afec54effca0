"""What trunks learned of rendered people alone tell about photographs: for ablations of the factory.

    python -m engines.training.evaluate.transfer RUN [RUN ...] --shared FOLDER --cache FOLDER [--size 128]

Trunks that saw no photograph may be asked about the training photographs, which are many: differences of a point show.
The first run is what the others are compared with, person by person.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from engines.networks.hourglass import PRESETS
from engines.training.evaluate.trunk import score_points, summed_up
from engines.training.photos.person_crops import PersonCrops, load_crops
from engines.training.train_trunk import predictor
from engines.training.trunk_cache import load_trunk


def some_of(crops: PersonCrops, count: int) -> PersonCrops:
    """``count`` people drawn at random, the same each time."""
    return crops.of(np.sort(np.random.default_rng(0).permutation(len(crops.human))[:count]))


def difference(values: np.ndarray, reference: np.ndarray) -> str:
    """Mean of paired differences and their standard error, of figures from 0 to 1 in hundredths."""
    apart = 100 * (values - reference)
    return f"{apart.mean():+.1f} ± {apart.std() / np.sqrt(len(apart)):.1f}"


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.training.evaluate.transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of the trunk's training")
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--size", type=int, default=128, help="side of the crops, px")
    parser.add_argument("--people", type=int, default=2000, help="photographs to ask about")
    arguments = parser.parse_args(argv)
    crops = some_of(load_crops(arguments.cache, arguments.shared, "train"), arguments.people)
    reference = None
    for run in arguments.runs:
        predict = predictor(load_trunk(run / "checkpoint.pt", arguments.preset), torch.device("cpu"))
        scores = score_points(predict, crops, arguments.size, human=True)
        reference = scores.oks if reference is None else reference
        print(f"{run.name:16} {summed_up(scores)}  OKS x 100: {difference(scores.oks, reference)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
