"""Go on from shipped weights where no checkpoint of a run is left."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from engines.runtime.weight_file import read_weights


def shipped_weights(path: Path, prefix: str) -> dict[str, Tensor]:
    """Weights of a shipped safetensors file as float32, by their names without ``prefix`` ("trunk." or "net.")."""
    return {
        name.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for name, value in read_weights(path).items()
    }


def trained_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The averaged weights in a training's checkpoint.pt."""
    weights: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    return weights


def load_shipped(network: nn.Module, path: Path, prefix: str) -> None:
    """Fill a network from a shipped file. Raises RuntimeError where names or shapes do not fit: another preset's."""
    weights = shipped_weights(path, prefix)
    network.load_state_dict({name: weights[name] for name in network.state_dict() if name in weights})


def narrowed(weights: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Weights of a network that reads more than ``network``: its further inputs, appended as columns, are left out."""
    return {
        name: weights[name][:, : own.shape[1]] if own.ndim == 2 else weights[name]
        for name, own in network.state_dict().items()
    }
