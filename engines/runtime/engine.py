"""One interface for every compiled network: named arrays in, named arrays out."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np

from engines.runtime.device_call import BoundEngine, buffers
from kernels.device import Device

Runtime = Literal["auto", "openvino", "tensorrt", "torch"]
Precision = Literal["auto", "f32", "f16", "bf16", "int8"]


class EngineError(Exception):
    """Base of everything an engine raises."""


class EngineUnavailable(EngineError):
    """The chosen runtime cannot run here: a package, a device or a file is missing."""


class EngineInputError(EngineError, ValueError):
    """The arrays handed to an engine are not what its network takes."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and type of one input or output."""

    name: str
    shape: tuple[int | None, ...]
    """None where any size will do (the batch)."""
    dtype: np.dtype

    def __str__(self) -> str:
        sizes = ", ".join("N" if size is None else str(size) for size in self.shape)
        return f"{self.name} ({sizes}) {self.dtype}"

    def check(self, array: np.ndarray) -> None:
        """Raises EngineInputError where ``array`` does not fit."""
        fits = len(array.shape) == len(self.shape) and all(
            want is None or want == size for want, size in zip(self.shape, array.shape, strict=True)
        )
        if not fits:
            raise EngineInputError(f"input {self.name} has shape {array.shape}, this network takes {self}")
        if array.dtype != self.dtype:
            raise EngineInputError(
                f"input {self.name} is {array.dtype}, this network takes {self}; pass array.astype('{self.dtype}')"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """What runs, where and how: for logs, metadata and benchmarks."""

    runtime: str
    version: str
    """Of the runtime's library."""
    device: str
    precision: str
    """f32, f16, bf16 or int8 (then ``float_precision`` says how the layers that stayed in floating point run)."""
    float_precision: str
    model: str
    """File name of the network."""
    sha256: str
    """Of that file."""
    threads: int
    """CPU threads; 0: the library's choice."""


class Engine(ABC):
    """A compiled network. Calls from several threads are safe and run one after another; close it when done."""

    def __init__(
        self, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], description: EngineDescription
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self._description = description
        self._lock = threading.Lock()
        self._closed = False

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the network. The arrays returned are the caller's own.

        Raises EngineInputError for a missing, surplus or misshapen input, EngineError after `close`.
        """
        names = {spec.name for spec in self.inputs}
        if names != inputs.keys():
            raise EngineInputError(f"inputs are {sorted(inputs)}, this network takes {sorted(names)}")
        for spec in self.inputs:
            spec.check(inputs[spec.name])
        batches = {inputs[spec.name].shape[0] for spec in self.inputs if spec.shape and spec.shape[0] is None}
        if len(batches) > 1:
            raise EngineInputError(f"inputs have batches of {sorted(batches)}, all must have the same")
        if 0 in batches:
            raise EngineInputError("the batch is empty; do not call the engine when there is nothing to compute")
        with self._lock:
            if self._closed:
                raise EngineError(f"engine {self._description.model} is closed")
            return self._infer(inputs)

    def bind(self, batch: int, device: Device) -> BoundEngine:
        """Buffers on ``device`` for ``batch`` and the call that runs the network on them.

        Raises EngineUnavailable where this runtime does not reach that device, DeviceMemoryError where it is full.
        """
        if batch < 1:
            raise ValueError(f"batch is {batch}, it must be at least 1")
        with self._lock:
            if self._closed:
                raise EngineError(f"engine {self._description.model} is closed")
            return self._bind(batch, device)

    def _bind(self, batch: int, device: Device) -> BoundEngine:
        """For runtimes of the CPU, whose device is the CPU: outputs are copied, nothing else is."""
        if device.is_gpu:
            raise EngineUnavailable(
                f"runtime {self._description.runtime} runs on the CPU, its buffers cannot be on {device}; "
                "use tensorrt or torch"
            )
        inputs, outputs = buffers(self.inputs, batch, device), buffers(self.outputs, batch, device)
        views = {name: np.from_dlpack(array) for name, array in inputs.items()}

        def run(stream: object = None) -> None:
            for name, array in self(views).items():
                device.write(outputs[name], array, stream)

        return BoundEngine(batch, inputs, outputs, run)

    @abstractmethod
    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs with checked inputs; never called by two threads at once, never after `_release`."""

    def _release(self) -> None:  # noqa: B027 - optional: not every runtime holds something to free
        """Frees what the engine holds; called once."""

    def describe(self) -> EngineDescription:
        """What runs, where and how."""
        return self._description

    def close(self) -> None:
        """Waits for a running call, then frees the network. Closing twice is harmless."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        d = self._description
        return (
            f"Engine({d.model} on {d.runtime} {d.precision}, {d.device}: "
            f"{'; '.join(map(str, self.inputs))} -> {'; '.join(map(str, self.outputs))})"
        )
