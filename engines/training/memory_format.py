"""Channels-last networks: several times faster convolutions on CPUs."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def channels_last(network: Network) -> Network:
    """The same network, its weights laid out with the channels innermost."""
    # torch's stubs know `memory_format` for tensors only.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
