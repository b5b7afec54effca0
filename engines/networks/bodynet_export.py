"""Write BodyNet's shape network as ONNX for the engines and as safetensors for training."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engines.keypoints import NUM_POINTS, PART_NAMES
from engines.networks.bodynet import PRESETS, build_bodynet
from engines.networks.onnx_halves import store_halves
from engines.runtime.engine import TensorSpec
from engines.runtime.sidecar import Sidecar

OPSET = 17


def export(state: dict[str, Tensor], preset: str, folder: Path) -> Path:
    """Weights -> folder/bodynet-PRESET.onnx, .safetensors (float16) and .json; returns the ONNX path.

    Inputs and outputs as `engines.networks.bodynet.DeployedBodyNet`. Files are replaced whole.
    """
    from safetensors.torch import save_file

    deployed = build_bodynet(preset).eval()
    # Stored halves are what the exported graph computes with, so both files give the same answers.
    halves = {
        f"net.{name}": (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    deployed.load_state_dict(halves)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"bodynet-{preset}.onnx"
    weights = path.with_suffix(".safetensors")
    save_file(halves, weights.with_suffix(".part"))
    weights.with_suffix(".part").replace(weights)

    side, grid = PRESETS[preset].input_px, PRESETS[preset].grid
    example = (
        torch.zeros(2, side, side, 3, dtype=torch.uint8),
        torch.zeros(2, NUM_POINTS, side // 4, side // 4),
        torch.zeros(2, len(PART_NAMES), side // 4, side // 4),
        torch.zeros(2, NUM_POINTS),
    )
    part = path.with_suffix(".onnx.part")
    torch.onnx.export(
        deployed, example, str(part), input_names=list(deployed.inputs), output_names=list(deployed.outputs),
        opset_version=OPSET, dynamo=False, dynamic_axes={name: {0: "N"} for name in deployed.inputs + deployed.outputs},
    )  # fmt: skip
    store_halves(part)
    part.replace(path)

    classes = PRESETS[preset].classes
    volume = (grid, grid, grid) if classes == 1 else (classes, grid, grid, grid)
    Sidecar(
        network="bodynet",
        preset=preset,
        weights=weights.name,
        inputs=tuple(
            TensorSpec(name, (None, *value.shape[1:]), np.dtype(str(value.dtype).removeprefix("torch.")))
            for name, value in zip(deployed.inputs, example, strict=True)
        ),
        outputs=(TensorSpec(deployed.outputs[0], (None, *volume), np.dtype(np.float32)),),
    ).write(path)
    return path


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
