"""Tiny networks with known answers, written by the tests."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def _save(path: Path, graph: onnx.GraphProto) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_two_layers(path: Path, seed: int = 0) -> tuple[Path, dict[str, np.ndarray]]:
    """hidden = relu(x @ w1), y = hidden @ w2, twin = y; all three are outputs. The batch is free."""
    rng = np.random.default_rng(seed)
    weights = {"w1": rng.normal(size=(6, 16)).astype("f4"), "w2": rng.normal(size=(16, 3)).astype("f4")}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w1"], ["product"], name="first"),
            helper.make_node("Relu", ["product"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "w2"], ["y"], name="second"),
            helper.make_node("Identity", ["y"], ["twin"]),
        ],
        "two_layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3]),
            helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["N", 16]),
            helper.make_tensor_value_info("twin", TensorProto.FLOAT, ["N", 3]),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return _save(path, graph), weights


def write_convolutions(path: Path, seed: int = 0) -> Path:
    """uint8 pictures (N, 16, 16, 3) -> 0..1 -> two convolutions with a ReLU -> y (N, 4, 16, 16)."""
    rng = np.random.default_rng(seed)
    constants = {
        "scale": np.array(255, "f4"),
        "w1": rng.normal(size=(32, 3, 3, 3), scale=0.3).astype("f4"),
        "w2": rng.normal(size=(4, 32, 3, 3), scale=0.1).astype("f4"),
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["floats", "scale"], ["unit"]),
            helper.make_node("Transpose", ["unit"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "w1"], ["c1"], pads=[1, 1, 1, 1], name="conv1"),
            helper.make_node("Relu", ["c1"], ["r1"]),
            helper.make_node("Conv", ["r1", "w2"], ["y"], pads=[1, 1, 1, 1], name="conv2"),
        ],
        "convolutions",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 16, 16, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, 16, 16])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return _save(path, graph)


def write_free_size(path: Path) -> Path:
    """y = 2 x for x (N, W): more than the batch is free."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "free_size",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "W"])],
    )
    return _save(path, graph)
