"""What identifies a network file: its bytes, and those of the weights file that it refers to."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """SHA-256 in hex of an ONNX file and of the safetensors file beside it, if the first refers to the second."""
    data = path.read_bytes()
    digest = hashlib.sha256(data)
    weights = path.with_name(path.name.partition(".")[0] + ".safetensors")  # NAME.onnx and NAME.int8.onnx
    if weights.name.encode() in data:
        digest.update(weights.read_bytes())
    return digest.hexdigest()
