"""Train `ordinal`'s reconstruction network: `python -m engines.training ordinal --steps 5000 --resume --export`."""

from __future__ import annotations

import argparse

from engines.networks.reconstruction import PRESETS
from engines.training.train_points import add_options, train_cloud


def main(argv: list[str] | None = None) -> int:
    """Command line; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m engines.training ordinal", description=__doc__)
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
    add_options(parser)
    parser.add_argument("--no-depth", action="store_true", help="ablation: the network never sees a depth")
    return train_cloud(parser.parse_args(argv), "ordinal", "l2")
