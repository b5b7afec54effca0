"""How much arithmetic a network is: multiplications and additions of its convolutions and matrix products."""

from __future__ import annotations

from math import prod
from pathlib import Path

from engines.runtime.engine import EngineUnavailable
from engines.runtime.onnx_constants import with_float_constants


def flops_per_sample(onnx_path: Path) -> float:
    """Floating-point operations of one sample (a multiplication and an addition are two), learned layers and other
    matrix products; everything else is a per cent of it. Raises EngineUnavailable without onnx."""
    try:
        import onnx
    except ImportError as error:
        raise EngineUnavailable("counting operations needs onnx: pip install 'bodystream[tensorrt]'") from error
    model = with_float_constants(onnx.load(onnx_path))
    for value in (*model.graph.input, *model.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        if not axis.HasField("dim_value"):
            axis.dim_value = 1
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul") and all(
            name in shapes for name in (*node.input[:2], *node.output)
        ):
            out, weight = shapes[node.output[0]], shapes[node.input[1]]
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            # What each output value sums: input channels of its group times the window, or the inner axis.
            inner = prod(weight[1:]) if node.op_type == "Conv" else weight[-1 if transposed else -2]
            total += 2 * prod(out) * inner
    return float(total)
