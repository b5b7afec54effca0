"""An ONNX network with the types that TensorRT is to compute in.

TensorRT networks here are strongly typed: a layer runs in the type of its tensors and nothing is chosen behind the
user's back. So half precision is a rewritten graph, with casts where the types change, and an int8 network must hold
signed Q/DQ pairs alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from engines.runtime.onnx_norms import fold_norms

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

Half = Literal["f16", "bf16"]

LEARNED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Layers that are worth a matrix unit, where one side is a constant of at least `LEARNED_VALUES`."""
LEARNED_VALUES = 256
FOLLOWERS = (
    *("Relu", "Add", "Sub", "Mul", "MaxPool", "AveragePool", "Resize", "DepthToSpace", "Concat", "Split", "Slice"),
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Gather", "Pad", "Identity"),
)
"""Run in half where what they read is half already. Everything else (softmax, norms, exponentials, quotients, sums)
computes in float32, as in torch.autocast."""
ALL_INPUTS = (*LEARNED, "Add", "Sub", "Mul", "Concat")
"""Operators whose every input is data; the others read data from their first input alone."""


def to_half(model: ModelProto, kind: Half) -> ModelProto:
    """``model`` (float32) with its learned layers, and what lies between them, in ``kind``; inputs and outputs keep
    their types. Raises ValueError for a network that is quantised."""
    import onnx
    from onnx import TensorProto, helper

    if any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        raise ValueError(f"the network is quantised, its floating-point layers cannot become {kind}")
    model = fold_norms(model)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    half = TensorProto.FLOAT16 if kind == "f16" else TensorProto.BFLOAT16
    types = {
        value.name: value.type.tensor_type.elem_type
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    types |= {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    constants = set(sizes)
    halves: set[str] = set()
    nodes: list[NodeProto] = []
    casts: dict[tuple[str, int], str] = {}

    def cast(name: str, to: int) -> str:
        if (name, to) not in casts:
            casts[name, to] = f"{name}_as_{kind if to == half else 'f32'}"
            nodes.append(helper.make_node("Cast", [name], [casts[name, to]], to=to))
        return casts[name, to]

    for original in model.graph.node:
        node = type(original)()
        node.CopyFrom(original)
        reads = [name for name in node.input if types.get(name) == TensorProto.FLOAT]
        if node.op_type in ("Cast", "Constant", "Identity") and all(name in constants for name in node.input):
            constants.update(node.output)
            sizes |= {name: sizes.get(next(iter(node.input), ""), 0) for name in node.output}
        data = [name for name in (node.input if node.op_type in ALL_INPUTS else node.input[:1]) if name in reads]
        learned = node.op_type in LEARNED and any(sizes.get(name, 0) >= LEARNED_VALUES for name in data)
        moving = [name for name in data if name not in constants]
        follows = node.op_type in FOLLOWERS and moving and all(name in halves for name in moving)
        if learned or follows:
            for index, name in enumerate(node.input):
                if name in data and name not in halves:
                    node.input[index] = cast(name, half)
            halves.update(node.output)
        else:
            for index, name in enumerate(node.input):
                if name in halves:
                    node.input[index] = cast(name, TensorProto.FLOAT)
        nodes.append(node)

    for output in model.graph.output:
        if output.name in halves:
            inner = f"{output.name}_in_{kind}"
            for node in nodes:
                for names in (node.input, node.output):
                    for index, name in enumerate(names):
                        if name == output.name:
                            names[index] = inner
            nodes.append(helper.make_node("Cast", [inner], [output.name], to=TensorProto.FLOAT))
    return _with_nodes(model, nodes)


def signed_quantisation(model: ModelProto) -> ModelProto:
    """``model`` with every unsigned Q/DQ pair replaced by a signed one of the same range.

    TensorRT knows signed int8 alone and reads an unsigned zero point as a signed one: all above half the range would be
    cut off, with no more than a warning. Tensors after a ReLU lose one bit. Raises ValueError where a zero point is
    neither 0 (range 0..255) nor, signed, 0.
    """
    from onnx import TensorProto, numpy_helper

    changed = type(model)()
    changed.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in changed.graph.initializer}
    tensors |= {node.output[0]: node.attribute[0].t for node in changed.graph.node if node.op_type == "Constant"}
    unsigned: dict[str, str] = {}
    for node in changed.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if len(node.input) < 3:
            raise ValueError(f"{node.name or node.op_type} has no zero point, so its type is uint8: quantise it signed")
        values, scale, zero = node.input[:3]
        if numpy_helper.to_array(tensors[zero]).any():
            raise ValueError(f"{node.name or node.op_type} has a zero point that is not 0: quantise it symmetrically")
        if tensors[zero].data_type == TensorProto.UINT8:
            if values in tensors and node.op_type == "DequantizeLinear":
                raise ValueError(f"weights {values} are stored as uint8: quantise them signed")
            unsigned[scale] = zero
    for scale in unsigned:
        # 0..255 steps of s reach as far as 0..127 steps of s * 255 / 127.
        wider = numpy_helper.to_array(tensors[scale]).astype(np.float32) * np.float32(255 / 127)
        tensors[scale].CopyFrom(numpy_helper.from_array(wider, scale))
    for zero in unsigned.values():
        tensors[zero].CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensors[zero]).astype(np.int8), zero))
    del changed.graph.value_info[:]  # names uint8 tensors
    return changed


def _with_nodes(model: ModelProto, nodes: list[NodeProto]) -> ModelProto:
    changed = type(model)()
    changed.CopyFrom(model)
    del changed.graph.node[:]
    changed.graph.node.extend(nodes)
    del changed.graph.value_info[:]
    return changed
