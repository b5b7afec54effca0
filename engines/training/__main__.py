"""``python -m engines.training NAME ...``: one training command per network."""

from __future__ import annotations

import importlib
import sys

NETWORKS = {
    "trunk": "engines.training.train_trunk",
    "locator": "engines.training.train_locator",
    "bilayer": "engines.training.train_bilayer",
    "lifter": "engines.training.train_lifter",
    "bodynet": "engines.training.train_bodynet",
    "smplr": "engines.training.train_smplr",
    "ordinal": "engines.training.train_ordinal",
    "ordinal-heads": "engines.training.train_ordinal_heads",
    "presence": "engines.training.train_presence",
    "quality": "engines.training.train_quality",
}


def main(argv: list[str]) -> int:
    """Dispatch to the network's own command line."""
    if not argv or argv[0] not in NETWORKS:
        print(f"usage: python -m engines.training {{{'|'.join(NETWORKS)}}} [--help]", file=sys.stderr)
        return 2
    return importlib.import_module(NETWORKS[argv[0]]).main(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
