"""Write BodyNet's shape network as ONNX for the engines and as safetensors for training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from engines.keypoints import NUM_POINTS, PART_NAMES
from engines.networks.bodynet import PRESETS, build_bodynet
from engines.networks.ship import ship


def export(state: dict[str, Tensor], preset: str, folder: Path) -> Path:
    """Weights -> folder/bodynet-PRESET.onnx, .safetensors and .json; returns the ONNX path.

    Inputs and outputs as `engines.networks.bodynet.DeployedBodyNet`. Files are replaced whole.
    """
    deployed = build_bodynet(preset)
    side = PRESETS[preset].input_px
    example = (
        torch.zeros(2, side, side, 3, dtype=torch.uint8),
        torch.zeros(2, NUM_POINTS, side // 4, side // 4),
        torch.zeros(2, len(PART_NAMES), side // 4, side // 4),
        torch.zeros(2, NUM_POINTS),
    )
    return ship(
        deployed, "bodynet", preset, {f"net.{name}": value for name, value in state.items()}, folder,
        dict(zip(deployed.inputs, example, strict=True)), deployed.outputs,
    )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Command line: ``python -m engines.networks.bodynet_export --run RUN``."""
    parser = argparse.ArgumentParser(prog="python -m engines.networks.bodynet_export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="run folder of python -m engines.training bodynet")
    parser.add_argument("--preset", default="small", choices=sorted(PRESETS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "weights")
    args = parser.parse_args(argv)
    average = torch.load(args.run / "checkpoint.pt", map_location="cpu", weights_only=True)["average"]
    path = export(average, args.preset, args.out)
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
