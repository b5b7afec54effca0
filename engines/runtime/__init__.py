"""Compiled networks behind one interface: TensorRT, OpenVINO, or torch as the reference."""

from engines.runtime.engine import (
    Engine,
    EngineDescription,
    EngineError,
    EngineInputError,
    EngineUnavailable,
    Precision,
    Runtime,
    TensorSpec,
)
from engines.runtime.load import load_engine

__all__ = [
    "Engine",
    "EngineDescription",
    "EngineError",
    "EngineInputError",
    "EngineUnavailable",
    "Precision",
    "Runtime",
    "TensorSpec",
    "load_engine",
]
