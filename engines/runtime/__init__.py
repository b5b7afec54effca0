"""Compiled networks behind one interface: TensorRT, OpenVINO, or torch as the reference."""

import sys

# OpenVINO reports its use to its maker through this package; where it cannot be imported, it reports nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

from engines.runtime.engine import (  # noqa: E402
    Engine,
    EngineDescription,
    EngineError,
    EngineInputError,
    EngineUnavailable,
    Precision,
    Runtime,
    TensorSpec,
)
from engines.runtime.load import load_engine, require_tensorrt  # noqa: E402

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
    "require_tensorrt",
]
