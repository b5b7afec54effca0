"""Folded batch norms: the same answers, no norm left where a convolution feeds it alone."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from engines.runtime.onnx_norms import fold_norms

RNG = np.random.default_rng(0)
PICTURES = RNG.normal(size=(2, 3, 9, 9)).astype(np.float32)


def conv_and_norm(*, with_bias: bool, conv_is_an_output: bool = False) -> "onnx.ModelProto":
    """y = norm(conv(x)), the kernel stored as halves."""
    helper = onnx.helper
    constants = {
        "w": RNG.normal(size=(5, 3, 3, 3)).astype(np.float16),
        "b": RNG.normal(size=5).astype(np.float32),
        "gain": RNG.uniform(0.5, 2, 5).astype(np.float32),
        "beta": RNG.normal(size=5).astype(np.float32),
        "mean": RNG.normal(size=5).astype(np.float32),
        "variance": RNG.uniform(0.1, 2, 5).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["w"], ["wide"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "wide", "b"] if with_bias else ["x", "wide"], ["c"], kernel_shape=(3, 3)),
        helper.make_node("BatchNormalization", ["c", "gain", "beta", "mean", "variance"], ["y"], epsilon=1e-3),
    ]
    shape = ["N", 5, 7, 7]
    outputs = ["y", "c"] if conv_is_an_output else ["y"]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 9, 9])],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(model) -> list[np.ndarray]:
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"x": PICTURES}
    )


@pytest.mark.parametrize("with_bias", [True, False])
def test_the_norm_becomes_part_of_the_convolution(with_bias):
    model = conv_and_norm(with_bias=with_bias)
    folded = fold_norms(model)
    assert [node.op_type for node in folded.graph.node] == ["Conv"]
    assert len(folded.graph.initializer) == 2
    np.testing.assert_allclose(answers(folded)[0], answers(model)[0], rtol=1e-4, atol=1e-5)


def test_a_convolution_that_others_read_stays():
    model = conv_and_norm(with_bias=True, conv_is_an_output=True)
    folded = fold_norms(model)
    assert "BatchNormalization" in [node.op_type for node in folded.graph.node]
    for got, expected in zip(answers(folded), answers(model), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
