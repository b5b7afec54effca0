"""ONNX files that refer to a safetensors file: the same answers from a fraction of the bytes."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy as safetensors

from engines.networks.shared_weights import refer_to_safetensors
from engines.runtime import EngineError, load_engine
from engines.runtime.engine import TensorSpec
from engines.runtime.fingerprint import fingerprint
from engines.runtime.sidecar import Sidecar


def write_matrix_product(folder: Path) -> tuple[Path, np.ndarray]:
    """y = x @ w with w as halves, and w in a safetensors file after another tensor."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(64, 48)).astype(np.float16)
    path = folder / "net.onnx"
    helper = onnx.helper
    nodes = [
        helper.make_node("Cast", ["w"], ["wide"], to=onnx.TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 64])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 48])],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    safetensors.save_file({"a": np.ones(7, np.float32), "w": w}, path.with_suffix(".safetensors"))
    single = np.dtype(np.float32)
    Sidecar(
        network="test", preset="tiny", weights="net.safetensors", inputs=(TensorSpec("x", (None, 64), single),),
        outputs=(TensorSpec("y", (None, 48), single),),
    ).write(path)  # fmt: skip
    return path, w


def test_same_answers_from_a_small_file(tmp_path):
    path, w = write_matrix_product(tmp_path)
    whole = path.stat().st_size
    assert refer_to_safetensors(path, path.with_suffix(".safetensors")) == w.nbytes
    assert path.stat().st_size < whole - w.nbytes + 300
    x = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    with load_engine(path, "openvino", "f32") as engine:
        np.testing.assert_allclose(engine({"x": x})["y"], x @ w.astype(np.float32), rtol=1e-4, atol=1e-4)


def test_fingerprint_covers_the_weights_that_are_referred_to(tmp_path):
    path, w = write_matrix_product(tmp_path)
    refer_to_safetensors(path, path.with_suffix(".safetensors"))
    before = fingerprint(path)
    safetensors.save_file({"a": np.ones(7, np.float32), "w": w + np.float16(1)}, path.with_suffix(".safetensors"))
    assert fingerprint(path) != before


def test_missing_weights_are_an_engine_error(tmp_path):
    path, _ = write_matrix_product(tmp_path)
    refer_to_safetensors(path, path.with_suffix(".safetensors"))
    path.with_suffix(".safetensors").unlink()
    with pytest.raises((EngineError, FileNotFoundError), match="safetensors"):
        load_engine(path, "openvino", "f32")
