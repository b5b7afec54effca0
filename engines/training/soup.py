"""Average trainings that began with the same weights: ``python -m engines.training.soup trunk RUN ... --out RUN``.

The mean of weights fine-tuned from one start lies where all of them are good ("model soups", Wortsman et al., ICML
2022); between start and fine-tuned weights, what was learned anew and what was known before hold together (WiSE-FT,
Wortsman et al., CVPR 2022). OUT becomes a run folder with the averaged weights, for `engines.training.export`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engines.training.start_weights import shipped_weights, trained_weights

PREFIXES = {"trunk": "trunk.", "locator": "net."}


def blend(start: Mapping[str, Tensor], tuned: Sequence[Mapping[str, Tensor]], share: float) -> dict[str, Tensor]:
    """``1 - share`` of the start and ``share`` of the mean of the tuned weights; whole numbers are the first run's.

    Raises ValueError where the networks differ.
    """
    for one in tuned:
        if differing := [name for name, value in one.items() if name not in start or start[name].shape != value.shape]:
            raise ValueError(f"{differing[0]} differs from the start's weights; average runs of one preset")
    return {
        name: start[name].lerp(torch.stack([one[name] for one in tuned]).mean(0), share)
        if value.dtype.is_floating_point
        else value
        for name, value in tuned[0].items()
    }


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.training.soup",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("network", choices=sorted(PREFIXES))
    parser.add_argument("runs", nargs="+", type=Path, help="run folders; one named twice counts twice")
    parser.add_argument("--start", type=Path, help="what they began with, PATH.safetensors; where --share is 1: none")
    parser.add_argument("--share", type=float, default=0.5, help="of the trainings; the rest is the start's")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write")
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.share <= 1:
        parser.error(f"--share is {arguments.share}; it lies between 0 and 1")
    if arguments.start is None and arguments.share < 1:
        parser.error(f"--share is {arguments.share}, the rest is of what they began with: give it as --start")
    tuned = [trained_weights(run / "checkpoint.pt") for run in arguments.runs]
    start = tuned[0] if arguments.start is None else shipped_weights(arguments.start, PREFIXES[arguments.network])
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save({"average": blend(start, tuned, arguments.share)}, arguments.out / "checkpoint.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
