"""int8 quantisation: smaller, close to the float network, and accepted by both runtimes."""

import numpy as np
import pytest

from engines.runtime import EngineError, load_engine
from engines.runtime.tensorrt_build import build_engine
from tests.engines.runtime.onnx_models import write_convolutions

pytest.importorskip("nncf", reason="needs the train extra: pip install -e '.[train]'")

from engines.runtime.quantize import quantize


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    return [{"image": rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)} for _ in range(count)]


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    path = write_convolutions(tmp_path_factory.mktemp("networks") / "net.onnx")
    return path, quantize(path, iter(pictures(12, seed=0)))


def test_close_to_the_float_network_on_unseen_pictures(quantised):
    path, report = quantised
    with (
        load_engine(path, "openvino", "f32", threads=1) as exact_engine,
        load_engine(path, "openvino", "int8", threads=1) as engine,
    ):
        assert engine.describe().precision == "int8"
        batch = {"image": np.concatenate([p["image"] for p in pictures(5, seed=1)])}
        exact, other = exact_engine(batch)["y"], engine(batch)["y"]
    error = np.abs(other - exact).mean() / np.abs(exact).mean()
    # 8 bits of the range: about 1 % of the mean; identical numbers would mean that nothing was quantised
    assert 1e-4 < error < 0.03
    assert error < 2 * report.relative_error["y"]
    assert report.path.name == "net.int8.onnx" and report.bytes_after == report.path.stat().st_size
    assert "net.int8.onnx" in str(report)


def test_tensorrt_takes_it(quantised, monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    monkeypatch.setattr("engines.runtime.load.TENSORRT_MODULES", ("tensorrt_rtx",))
    assert build_engine(quantised[1].path, compute_capability=(8, 6))


def test_symmetric_so_that_tensorrt_takes_it(quantised):
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(quantised[1].path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    zero_points = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert zero_points and not any(zero_point.any() for zero_point in zero_points)


def test_nothing_to_calibrate_with(quantised):
    with pytest.raises(EngineError, match="no calibration samples"):
        quantize(quantised[0], [])
