"""Go on from shipped weights where no checkpoint of a run is left."""

from __future__ import annotations

from pathlib import Path

from torch import nn


def load_shipped(network: nn.Module, path: Path, prefix: str) -> None:
    """Fill a network from a shipped safetensors file, whose names carry ``prefix`` ("trunk." or "net.").

    Raises RuntimeError where names or shapes do not fit: the file belongs to another preset.
    """
    from safetensors.torch import load_file

    weights = {name.removeprefix(prefix): value.float() for name, value in load_file(path).items()}
    own = network.state_dict()
    network.load_state_dict({name: value.to(own[name].dtype) for name, value in weights.items() if name in own})
