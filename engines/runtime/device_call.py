"""Engines on arrays that live on a device: buffers made once, one call to run, nothing copied to the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernels.device import Device, DeviceArray, Recording

if TYPE_CHECKING:
    from engines.runtime.engine import TensorSpec


@dataclass(frozen=True, slots=True)
class BoundEngine:
    """An engine tied to buffers of one batch size. Kernels write its inputs and read its outputs where they are."""

    batch: int
    inputs: Mapping[str, DeviceArray]
    outputs: Mapping[str, DeviceArray]
    run: Recording
    """Takes a stream: outputs are those of the inputs when the stream gets there. On a GPU one CUDA graph."""


def buffers(specs: tuple[TensorSpec, ...], batch: int, device: Device) -> dict[str, DeviceArray]:
    """Memory for ``specs`` with a free batch of ``batch``. Raises DeviceMemoryError."""
    return {
        spec.name: device.empty(tuple(batch if size is None else size for size in spec.shape), spec.dtype)
        for spec in specs
    }
