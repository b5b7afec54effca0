"""modelopt's int8 file: signed Q/DQ pairs that TensorRT builds, close to the float network."""

import numpy as np
import onnx
import onnx.version_converter
import pytest
import torch
from onnx.reference import ReferenceEvaluator

pytest.importorskip("modelopt", reason="needs the modelopt extra: pip install -e '.[modelopt]'")

from engines.runtime import EngineError
from engines.runtime.tensorrt_build import build_engine
from engines.training.quantize_modelopt import quantize_network


class Convolutions(torch.nn.Module):
    """With a batch norm that has seen data."""

    def __init__(self):
        super().__init__()
        norm = torch.nn.BatchNorm2d(32)
        self.first = torch.nn.Sequential(torch.nn.Conv2d(3, 32, 3, padding=1, bias=False), norm, torch.nn.ReLU())
        self.second = torch.nn.Conv2d(32, 4, 3, padding=1)
        with torch.no_grad():
            for array in (norm.running_mean, norm.weight, norm.bias):
                array.normal_(0, 0.3)
            norm.running_var.uniform_(0.1, 0.4)

    def forward(self, image):
        return self.second(self.first(image.float().permute(0, 3, 1, 2) / 255))


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8),) for _ in range(count)]


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    torch.manual_seed(0)
    network = Convolutions().eval()
    path = tmp_path_factory.mktemp("networks") / "net.modelopt.int8.onnx"
    return network, quantize_network(network, pictures(8, 0), (["image"], ["y"]), path)


def test_pairs_are_signed_and_the_network_nearly_the_same(quantised):
    network, path = quantised
    graph = onnx.load(path).graph
    assert "BatchNormalization" not in {node.op_type for node in graph.node}
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    zeros = [constants[node.input[2]] for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(zeros) >= 4 and all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    batch = np.concatenate([picture for (picture,) in pictures(5, 1)])
    with torch.inference_mode():
        exact = network(torch.from_numpy(batch)).numpy()
    # Operator by operator: OpenVINO multiplies signed pairs as integers, and these saturate on a CPU without VNNI.
    model = onnx.version_converter.convert_version(onnx.load(path), 19)  # the first whose pairs onnx itself computes
    (found,) = ReferenceEvaluator(model).run(None, {"image": batch})
    # 8 bits of the range; identical numbers would mean that nothing was quantised
    assert 1e-4 < np.abs(found - exact).mean() / np.abs(exact).mean() < 0.03


def test_tensorrt_builds_it(quantised, monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    monkeypatch.setattr("engines.runtime.load.TENSORRT_MODULES", ("tensorrt_rtx",))
    assert build_engine(quantised[1], precision="int8", batches=(1, 4), compute_capability=(8, 6))


def test_nothing_to_calibrate_with(tmp_path):
    with pytest.raises(EngineError, match="no calibration samples"):
        quantize_network(Convolutions(), [], (["image"], ["y"]), tmp_path / "net.onnx")
