"""One copy of the weights: an ONNX file that refers to the tensors of the safetensors file beside it.

Both hold the same halves, and ONNX may keep the bytes of a tensor in another file (external data: location, offset,
length).
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

MIN_BYTES = 4096


def refer_to_safetensors(path: Path, weights: Path) -> int:
    """Rewrite an ONNX file: constants whose bytes lie in ``weights``, in the same folder, become references.

    Returns the bytes saved. The two files belong together from then on.
    """
    import onnx
    from onnx.external_data_helper import set_external_data

    model = onnx.load(path)
    places = _places(weights)
    saved = 0
    for tensor in model.graph.initializer:
        data = tensor.raw_data
        if len(data) >= MIN_BYTES and data in places:
            set_external_data(tensor, weights.name, offset=places[data], length=len(data))
            tensor.ClearField("raw_data")
            saved += len(data)
    part = path.with_suffix(".part")
    part.write_bytes(model.SerializeToString())
    part.replace(path)
    return saved


def _places(weights: Path) -> dict[bytes, int]:
    """Bytes of each tensor of a safetensors file -> their offset in the file."""
    data = weights.read_bytes()
    (header_length,) = struct.unpack("<Q", data[:8])
    start = 8 + header_length
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    spans = (entry["data_offsets"] for entry in header.values())
    return {data[start + first : start + end]: start + first for first, end in spans}
