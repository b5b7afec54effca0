"""The JSON file beside an ONNX file that says which network it is: `trunk.onnx` has `trunk.json`.

Training writes it at export; the torch runtime rebuilds the network from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engines.runtime.engine import EngineError, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """How an ONNX file came to be."""

    network: str
    """Name that `engines.networks.build` knows."""
    preset: str
    weights: str
    """File name of the safetensors weights, beside the ONNX file."""
    inputs: tuple[TensorSpec, ...]
    """In the order of the network's forward arguments."""
    outputs: tuple[TensorSpec, ...]
    """In the order of what forward returns, where that is a tuple."""

    @staticmethod
    def path_for(onnx_path: Path) -> Path:
        """`trunk.onnx` -> `trunk.json`."""
        return onnx_path.with_suffix(".json")

    def write(self, onnx_path: Path) -> Path:
        """Writes the sidecar of ``onnx_path`` and returns its path."""
        specs = {key: [_spec_to_json(spec) for spec in getattr(self, key)] for key in ("inputs", "outputs")}
        path = self.path_for(onnx_path)
        path.write_text(json.dumps({**asdict(self), **specs}, indent=1) + "\n")
        return path

    @classmethod
    def read(cls, onnx_path: Path) -> Sidecar:
        """Raises EngineError where the sidecar of ``onnx_path`` is missing or not understood."""
        path = cls.path_for(onnx_path)
        try:
            data = json.loads(path.read_text())
            for key in ("inputs", "outputs"):
                data[key] = tuple(_spec_from_json(item) for item in data[key])
            return cls(**data)
        except FileNotFoundError:
            raise EngineError(f"{path} is missing; the torch runtime needs it, export the network again") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineError(f"{path} is not a sidecar of a network: {error!r}; export the network again") from error


def _spec_to_json(spec: TensorSpec) -> dict[str, object]:
    return {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype.name}


def _spec_from_json(data: dict) -> TensorSpec:
    return TensorSpec(data["name"], tuple(data["shape"]), np.dtype(data["dtype"]))
