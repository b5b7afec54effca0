"""Halve an ONNX file: large float constants as float16 with a cast behind them, the same float32 arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

MIN_VALUES = 4096
MAX_RELATIVE_ERROR = 1e-3


def store_halves(path: Path) -> None:
    """Rewrite the file in place; constants that float16 cannot hold to a thousandth of their largest stay."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < MIN_VALUES:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if np.abs(half - values).max() > MAX_RELATIVE_ERROR * np.abs(values).max():
            continue
        tensor.CopyFrom(numpy_helper.from_array(half, name + "_half"))
        casts.append(onnx.helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
