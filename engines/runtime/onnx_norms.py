"""Batch norms of an ONNX network made part of the convolutions before them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from engines.runtime.onnx_constants import drop_unread_constants, with_float_constants

if TYPE_CHECKING:
    from onnx import ModelProto


def fold_norms(model: ModelProto) -> ModelProto:
    """``model`` (float32) with W' = W g / s and b' = (b - m) g / s + beta in each convolution that feeds one batch norm
    alone, where s = sqrt(variance + epsilon), m the mean, g the gain.

    The shipped files keep the two apart, since their constants are the tensors that training goes on with.
    """
    from onnx import numpy_helper

    folded = with_float_constants(model)
    graph = folded.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(output.name for output in graph.output)

    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        conv = makers.get(norm.input[0])
        if conv is None or conv.op_type != "Conv" or conv.input[1] not in values or readers[norm.input[0]] != 1:
            continue
        gain, beta, mean, variance = (values[name].astype(np.float64) for name in norm.input[1:])
        epsilon = next((attribute.f for attribute in norm.attribute if attribute.name == "epsilon"), 1e-5)
        gain = gain / np.sqrt(variance + epsilon)
        weight = values[conv.input[1]]
        bias = values[conv.input[2]] if len(conv.input) > 2 else np.zeros(1)
        constants = {
            f"{norm.output[0]}_weight": weight * gain.reshape(-1, *[1] * (weight.ndim - 1)),
            f"{norm.output[0]}_bias": (bias - mean) * gain + beta,
        }
        conv.input[:] = [conv.input[0], *constants]
        conv.output[0] = norm.output[0]
        graph.initializer.extend(numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items())
        graph.node.remove(norm)
    del graph.value_info[:]
    drop_unread_constants(folded)
    return folded
