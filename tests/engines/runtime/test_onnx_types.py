"""Networks rewritten for TensorRT: what is computed in half, and that signed Q/DQ pairs say what unsigned ones said."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.methods import WEIGHTS
from engines.runtime.onnx_types import signed_quantisation, to_half
from tests.engines.runtime.onnx_models import write_convolutions, write_two_layers


def run(model, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def types(model):
    """Tensor -> element type, as inferred; raises where types contradict one another."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}


@pytest.mark.parametrize(
    "name", ["trunk-small", "locator-small", pytest.param("bilayer-small", id="bilayer-small: sums and quotients too")]
)
def test_shipped_networks_in_half_say_nearly_the_same(name):
    model = onnx.load(WEIGHTS / f"{name}.onnx")
    half = to_half(model, "f16")
    onnx.checker.check_model(half)
    rng = np.random.default_rng(0)
    feeds = {}
    for value in model.graph.input:
        shape = [axis.dim_value or 2 for axis in value.type.tensor_type.shape.dim]
        pixels = value.type.tensor_type.elem_type == TensorProto.UINT8
        feeds[value.name] = rng.integers(0, 256, shape, "u1") if pixels else rng.normal(0, 0.3, shape).astype("f4")
    found_types = types(half)
    learned = [node for node in half.graph.node if node.op_type in ("Conv", "Gemm")]
    in_half = [node for node in learned if found_types[node.output[0]] == TensorProto.FLOAT16]
    assert len(in_half) > 0.9 * len(learned)  # all but heads of a few values
    for node in half.graph.node:
        if node.op_type in ("Softmax", "Exp", "Sqrt", "ReduceSum", "LayerNormalization"):
            assert found_types[node.output[0]] == TensorProto.FLOAT, node.name
    for exact, found in zip(run(model, feeds), run(half, feeds), strict=True):
        assert found.dtype == exact.dtype
        # Ten bits of mantissa, some dozen layers.
        assert np.abs(found - exact).max() <= 5e-3 * np.abs(exact).max()


@pytest.mark.parametrize(("kind", "wanted"), [("f16", TensorProto.FLOAT16), ("bf16", TensorProto.BFLOAT16)])
def test_outputs_keep_their_types_also_those_that_are_read_inside(tmp_path, kind, wanted):
    """`hidden` is an output and feeds the next layer: the layer reads it in half, the caller in float32."""
    path, weights = write_two_layers(tmp_path / "net.onnx")
    weights["w1"].astype("f4")
    model = onnx.load(path)
    del model.graph.initializer[:]
    rng = np.random.default_rng(1)
    large = {"w1": rng.normal(size=(6, 64)).astype("f4"), "w2": rng.normal(size=(64, 16)).astype("f4")}
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in large.items())
    for output, width in zip(model.graph.output, (16, 64, 16), strict=True):
        output.type.tensor_type.shape.dim[1].dim_value = width
    half = to_half(model, kind)
    assert all(output.type.tensor_type.elem_type == TensorProto.FLOAT for output in half.graph.output)
    casts = [node.attribute[0].i for node in half.graph.node if node.op_type == "Cast"]
    assert casts.count(wanted) == 3 and casts.count(TensorProto.FLOAT) == 3
    if kind == "f16":
        feeds = {"x": rng.normal(size=(3, 6)).astype("f4")}
        for exact, found in zip(run(model, feeds), run(half, feeds), strict=True):
            np.testing.assert_allclose(found, exact, atol=0.05)


def quantised_relu(zero=0, kind=np.uint8):
    """y = dequantised(quantised(relu(x))), scale 0.01."""
    constants = {"scale": np.array(0.01, "f4"), "zero": np.array(zero, kind)}
    graph = helper.make_graph(
        [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("QuantizeLinear", ["r", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        ],
        "quantised",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [256])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_signed_pair_has_the_range_of_the_unsigned_one():
    """0 to 2.55, in steps that are twice as wide; read as signed without a new scale, all above 1.27 would be lost."""
    x = np.linspace(-1, 3, 256).astype("f4")
    (exact,), (found,) = (run(model, {"x": x}) for model in (quantised_relu(), signed_quantisation(quantised_relu())))
    assert exact.max() == pytest.approx(2.55)
    np.testing.assert_allclose(found, exact, atol=0.016)


@pytest.mark.parametrize("name", ["trunk-small", "locator-small"])
def test_shipped_int8_networks_hold_no_unsigned_pair_afterwards(name):
    model = signed_quantisation(onnx.load(WEIGHTS / f"{name}.int8.onnx"))
    onnx.checker.check_model(model)
    assert TensorProto.UINT8 not in {tensor.data_type for tensor in model.graph.initializer}
    side = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    picture = np.stack([x % 256, y % 256, (x + y) % 256], -1).astype("u1")[None]
    feeds = {model.graph.input[0].name: picture}
    before = run(onnx.load(WEIGHTS / f"{name}.int8.onnx"), feeds)
    exact = run(onnx.load(WEIGHTS / f"{name}.onnx"), feeds)
    for a, b, c in zip(before, run(model, feeds), exact, strict=True):
        # A bit less for what a ReLU left: at most twice the error that quantisation already made.
        assert np.abs(b - c).mean() < 2.0 * np.abs(a - c).mean() + 0.02 * np.abs(c).mean()


def test_what_is_refused(tmp_path):
    with pytest.raises(ValueError, match="zero point that is not 0"):
        signed_quantisation(quantised_relu(zero=3))
    with pytest.raises(ValueError, match="cannot become f16"):
        to_half(quantised_relu(), "f16")
    float_model = onnx.load(write_convolutions(tmp_path / "net.onnx"))
    assert signed_quantisation(float_model) == float_model
