"""Constants of an ONNX network as they are stored, small, and as float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

MIN_VALUES = 4096
MAX_RELATIVE_ERROR = 1e-3


def with_small_constants(model: ModelProto, codes: Mapping[bytes, tuple[np.ndarray, np.ndarray]]) -> ModelProto:
    """``model`` with its large float32 constants stored small; the arithmetic stays float32.

    ``codes``: bytes of a float32 constant -> its int8 codes and their scales along the first axis. Others become
    halves, but for those that float16 cannot hold to a thousandth of their largest.
    """
    from onnx import TensorProto, helper, numpy_helper

    changed = type(model)()
    changed.CopyFrom(model)
    graph = changed.graph
    readers = []
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]:
        tensor = node.attribute[0].t
        if np.prod(tensor.dims) >= MIN_VALUES:
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
            graph.node.remove(node)
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < MIN_VALUES:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        half = values.astype(np.float16)
        if values.tobytes() in codes:
            small, scale = codes[values.tobytes()]
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
            tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_codes"))
            readers.append(helper.make_node("DequantizeLinear", [f"{name}_codes", f"{name}_scale"], [name], axis=0))
        elif np.abs(half - values).max() <= MAX_RELATIVE_ERROR * np.abs(values).max():
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
            readers.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*readers, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


def with_float_constants(model: ModelProto) -> ModelProto:
    """``model`` with constants as float32 where a node of its own turned them into that, and without constants that
    nobody reads. What a quantised network computes with stays as it is."""
    from onnx import TensorProto, numpy_helper

    changed = type(model)()
    changed.CopyFrom(model)
    graph = changed.graph
    if any(node.op_type == "QuantizeLinear" for node in graph.node):
        return changed
    values = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type not in ("Cast", "Identity", "DequantizeLinear") or node.input[0] not in values:
            continue
        array = numpy_helper.to_array(values[node.input[0]])
        if node.op_type == "DequantizeLinear":
            scale = numpy_helper.to_array(values[node.input[1]])
            array = array.astype(np.float32) * scale.reshape(-1, *[1] * (array.ndim - 1))
        elif node.op_type == "Cast":
            if node.attribute[0].i != TensorProto.FLOAT:
                continue
            array = array.astype(np.float32)
        values[node.output[0]] = numpy_helper.from_array(array, node.output[0])
        graph.initializer.append(values[node.output[0]])
        graph.node.remove(node)
    drop_unread_constants(changed)
    return changed


def drop_unread_constants(model: ModelProto) -> None:
    """In place."""
    graph = model.graph
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)
