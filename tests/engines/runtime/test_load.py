"""Choosing a runtime, and what is said where it cannot run."""

import sys
from pathlib import Path

import numpy as np
import pytest

from engines.runtime import EngineError, EngineUnavailable, load_engine
from engines.runtime import load as load_module
from engines.runtime.cuda_device import CudaDevice, find_cuda_device
from engines.runtime.load import file_and_precision
from tests.engines.runtime.onnx_models import write_two_layers

WITHOUT_GPU = pytest.mark.skipif(
    find_cuda_device() is not None, reason="tells what happens on a machine without a GPU, and this one has one"
)


@pytest.fixture
def network(tmp_path) -> Path:
    return write_two_layers(tmp_path / "net.onnx")[0]


@WITHOUT_GPU
def test_auto_is_openvino_without_a_gpu(network):
    with load_engine(network, threads=1) as engine:
        assert engine.describe().runtime == "openvino"


@WITHOUT_GPU
def test_tensorrt_without_a_gpu_names_what_to_install(network):
    with pytest.raises(EngineUnavailable, match=r"NVIDIA GPU.*driver.*bodystream\[tensorrt\].*--runtime openvino"):
        load_engine(network, "tensorrt")


def test_tensorrt_without_its_module_names_the_extra(network, monkeypatch):
    monkeypatch.setattr(load_module, "TENSORRT_MODULES", ("tensorrt_that_nobody_has",))
    monkeypatch.setattr("engines.runtime.load.find_cuda_device", lambda: CudaDevice("some GPU", (8, 6)))
    with pytest.raises(EngineUnavailable, match=r"bodystream\[tensorrt\]"):
        load_engine(network, "tensorrt")


def test_a_gpu_that_tensorrt_rtx_does_not_build_for(network, monkeypatch):
    """An H200: automatic choice goes to the CPU, an explicit one says what would help."""
    pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    monkeypatch.setattr(load_module, "TENSORRT_MODULES", ("tensorrt_rtx",))
    monkeypatch.setattr("engines.runtime.load.find_cuda_device", lambda: CudaDevice("NVIDIA H200", (9, 0)))
    with load_engine(network, "auto", threads=1) as engine:
        assert engine.describe().runtime == "openvino"
    with pytest.raises(EngineUnavailable, match=r"does not build for NVIDIA H200 \(sm_90\): install tensorrt from"):
        load_engine(network, "tensorrt")


def test_torch_without_torch_names_the_extra(network, monkeypatch):
    real = load_module.importlib.util.find_spec
    monkeypatch.setattr(load_module.importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    with pytest.raises(EngineUnavailable, match=r"bodystream\[torch\]"):
        load_engine(network, "torch")


def test_the_int8_sibling_is_taken_unless_a_float_precision_is_asked_for(network, tmp_path):
    write_two_layers(tmp_path / "net.int8.onnx", seed=1)
    names = {}
    for precision in ("auto", "f32"):
        with load_engine(network, "openvino", precision, threads=1) as engine:
            names[precision] = engine.describe().model
    assert names == {"auto": "net.int8.onnx", "f32": "net.onnx"}


def test_tensorrt_is_told_one_precision_so_that_built_engines_are_found_again(network, tmp_path):
    """The cache is keyed by it: auto and what it stands for must be one engine."""
    assert file_and_precision(network, "tensorrt", "auto") == (network, "f16")
    assert file_and_precision(network, "tensorrt", "f32") == (network, "f32")
    nncf, modelopt = tmp_path / "net.int8.onnx", tmp_path / "net.modelopt.int8.onnx"
    nncf.touch()
    for precision in ("auto", "int8"):
        assert file_and_precision(network, "tensorrt", precision) == (nncf, "int8")
    modelopt.touch()
    assert file_and_precision(network, "tensorrt", "auto") == (modelopt, "int8")
    assert file_and_precision(network, "openvino", "auto") == (nncf, "auto")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"runtime": "onnx"}, "runtime is 'onnx', it must be one of auto, openvino"),
        ({"precision": "fp32"}, "precision is 'fp32'"),
        ({"threads": -1}, "threads is -1"),
        ({"batches": ()}, "at least one positive"),
        ({"batches": (0, 1)}, "at least one positive"),
    ],
)
def test_nonsense_is_refused(network, choice, words):
    with pytest.raises(ValueError, match=words):
        load_engine(network, **choice)


def test_a_missing_file(tmp_path):
    with pytest.raises(EngineError, match=r"absent\.onnx does not exist"):
        load_engine(tmp_path / "absent.onnx")


def test_openvino_needs_no_torch(network):
    import subprocess

    code = (
        "import sys; from engines.runtime import load_engine; import numpy as np\n"
        f"load_engine({str(network)!r}, 'openvino', 'f32', threads=1)({{'x': np.ones((1, 6), 'f4')}})\n"
        "assert not {'torch', 'onnx', 'nncf', 'tensorrt', 'tensorrt_rtx'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(load_module.__file__).parents[2])


def test_torch_is_the_same_network(network, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")
    safetensors_torch = pytest.importorskip(
        "safetensors.torch", reason="needs the train extra: pip install -e '.[train]'"
    )
    import engines.networks
    from engines.runtime.sidecar import Sidecar

    class TwoLayers(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            self.first = torch.nn.Linear(6, width, bias=False)
            self.second = torch.nn.Linear(width, 3, bias=False)

        def forward(self, x):
            hidden = self.first(x).relu()
            return {"hidden": hidden, "y": self.second(hidden), "twin": self.second(hidden)}

    monkeypatch.setattr(
        engines.networks, "build", lambda name, preset: {"two": TwoLayers}[name]({"small": 16}[preset]), raising=False
    )
    _, weights = write_two_layers(network)
    state = {
        "first.weight": torch.tensor(weights["w1"].T.copy()),
        "second.weight": torch.tensor(weights["w2"].T.copy()),
    }
    safetensors_torch.save_file(state, tmp_path / "net.safetensors")
    x = np.random.default_rng(3).normal(size=(5, 6)).astype("f4")
    with load_engine(network, "openvino", "f32", threads=1) as reference:
        sidecar = Sidecar(
            network="two", preset="small", weights="net.safetensors", inputs=reference.inputs, outputs=reference.outputs
        )
        sidecar.write(network)
        assert Sidecar.read(network) == sidecar
        expected = reference({"x": x})
    with load_engine(network, "torch") as engine:
        assert engine.describe().precision == "f32"
        result = engine({"x": x})
    assert list(result) == list(expected)
    for name in expected:
        np.testing.assert_allclose(result[name], expected[name], atol=1e-4)


def test_torch_without_sidecar_or_weights(network):
    pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")
    with pytest.raises(EngineError, match=r"net\.json is missing"):
        load_engine(network, "torch")
    network.with_suffix(".json").write_text('{"network": "two"}')
    with pytest.raises(EngineError, match="not a sidecar"):
        load_engine(network, "torch")
