"""Train SMPLR's networks: `--stage points` the autoencoder, `--stage body` the regressors of rotations and shape.

`python -m engines.training smplr --stage points --steps 5000 --resume --export`, then
`python -m engines.training smplr --stage body --steps 4000 --resume --export`; see `--help`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engines.networks.points import AUTOENCODER_WIDTHS
from engines.training.train_points import add_options, train_cloud


def main(argv: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m engines.training smplr", description=__doc__)
    parser.add_argument("--stage", choices=("points", "body"), required=True)
    parser.add_argument("--preset", default="small", choices=sorted(AUTOENCODER_WIDTHS))
    add_options(parser)
    parser.add_argument("--no-depth", action="store_true", help="points stage, ablation: 2D points alone")
    parser.add_argument("--no-landmarks", action="store_true", help="body stage, ablation: the 24 joints alone")
    parser.add_argument(
        "--points-run",
        type=Path,
        default=Path("runs/smplr-small"),
        help="body stage: run folder of the points stage; without a checkpoint there, the shipped weights",
    )
    args = parser.parse_args(argv)
    if args.stage == "points":
        return train_cloud(args, "smplr", "l1")
    from engines.training.train_regressors import train_regressors

    return train_regressors(args)
