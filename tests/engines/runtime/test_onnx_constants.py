"""Constants stored small and made float32 again: the same answers, fewer bytes."""

import numpy as np
import onnx
import onnxruntime as ort
import torch

from engines.runtime.onnx_constants import MIN_VALUES, with_float_constants, with_small_constants
from engines.runtime.weight_file import SCALE, decoded, encoded

RNG = np.random.default_rng(0)
KERNEL = decoded(encoded({"w": torch.from_numpy(RNG.normal(size=(16, 32, 3, 3)).astype(np.float32))}))["w"].numpy()
BIAS = RNG.normal(size=16).astype(np.float32)
TERM = RNG.normal(size=(1, 16, 6, 6)).astype(np.float32)
WIDE = RNG.normal(1, 1, (64, MIN_VALUES // 64)).astype(np.float16).astype(np.float32)
PICTURES = RNG.normal(size=(2, 32, 8, 8)).astype(np.float32)


def network() -> onnx.ModelProto:
    """y = relu(conv(x) + mean(k)) + t + max(u) - min(u), all constants float32; u is too large for halves."""
    helper = onnx.helper
    constants = {
        "w": KERNEL,
        "b": BIAS,
        "t": TERM,
        "u": np.full((16, MIN_VALUES // 16), 1e6, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=(3, 3)),
        helper.make_node("Identity", ["t"], ["t_again"]),
        helper.make_node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(WIDE)),
        helper.make_node("ReduceMean", ["k"], ["middle"], axes=[0, 1], keepdims=0),
        helper.make_node("Add", ["c", "middle"], ["moved"]),
        helper.make_node("Relu", ["moved"], ["r"]),
        helper.make_node("Add", ["r", "t_again"], ["s"]),
        helper.make_node("ReduceMax", ["u"], ["high"], axes=[0, 1], keepdims=0),
        helper.make_node("ReduceMin", ["u"], ["low"], axes=[0, 1], keepdims=0),
        helper.make_node("Sub", ["high", "low"], ["nothing"]),
        helper.make_node("Add", ["s", "nothing"], ["y"]),
    ]
    single = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", single, ["N", 32, 8, 8])],
        [helper.make_tensor_value_info("y", single, ["N", 16, 6, 6])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def codes() -> dict[bytes, tuple[np.ndarray, np.ndarray]]:
    stored = encoded({"w": torch.from_numpy(KERNEL)})
    return {decoded(stored)["w"].numpy().tobytes(): (stored["w"].numpy(), stored["w" + SCALE].numpy())}


def answer(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": PICTURES})[0]


def types(model: onnx.ModelProto) -> dict[str, int]:
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def test_known_codes_others_as_halves_and_what_halves_cannot_hold():
    small = with_small_constants(network(), codes())
    found = types(small)
    assert found["w_codes"] == onnx.TensorProto.INT8
    assert found["k_half"] == onnx.TensorProto.FLOAT16
    assert found["u"] == onnx.TensorProto.FLOAT  # 1e6 is beyond float16
    assert types(with_small_constants(network(), {}))["w_half"] == onnx.TensorProto.FLOAT16
    np.testing.assert_allclose(answer(small), answer(network()), rtol=1e-4, atol=1e-4)
    assert len(small.SerializeToString()) < len(network().SerializeToString()) - 2.9 * KERNEL.size


def test_float_constants_again():
    restored = with_float_constants(with_small_constants(network(), codes()))
    assert "t" not in types(restored) and "t_again" in types(restored)
    assert {"DequantizeLinear", "Identity", "Cast"}.isdisjoint(node.op_type for node in restored.graph.node)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in restored.graph.initializer}
    np.testing.assert_array_equal(weights["w"], KERNEL)
    np.testing.assert_array_equal(answer(restored), answer(network()))


def test_a_quantised_network_stays_as_it_is():
    model = network()
    helper = onnx.helper
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0.1), "step"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.int8(0), "zero"))
    model.graph.node[0].input[0] = "x_again"
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["x_codes", "step", "zero"], ["x_again"]))
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x_codes"]))
    assert with_float_constants(model) == model
