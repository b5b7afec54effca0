"""Engines on a device's own arrays: the CPU runtimes on the kernels' twin."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engines.methods import WEIGHTS
from engines.runtime import EngineError, load_engine
from engines.runtime.cuda_device import find_cuda_device
from engines.runtime.tensorrt_build import builds_for, import_tensorrt
from kernels.device import DeviceMemoryError
from kernels.host_device import HostDevice
from tests.engines.runtime.onnx_models import write_two_layers

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
ROOT = Path(__file__).parents[3]


@needs_compiler
def test_bound_buffers_give_what_a_call_gives(tmp_path):
    device = HostDevice("")
    path, _ = write_two_layers(tmp_path / "net.onnx")
    with load_engine(path, "openvino", "f32", threads=1, batches=(1, 3)) as engine:
        bound = engine.bind(3, device)
        for seed in (0, 1):
            x = np.random.default_rng(seed).normal(size=(3, 6)).astype("f4")
            device.write(bound.inputs["x"], x)
            bound.run()
            for name, expected in engine({"x": x}).items():
                np.testing.assert_array_equal(device.download(bound.outputs[name]), expected)
        with pytest.raises(ValueError, match="batch is 0"):
            engine.bind(0, device)
        with pytest.raises(DeviceMemoryError):
            engine.bind(1000, HostDevice("", memory=1000))
    with pytest.raises(EngineError, match="is closed"):
        engine.bind(1, device)


@needs_compiler
def test_torch_computes_in_the_devices_memory():
    pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")
    device = HostDevice("")
    rng = np.random.default_rng(0)
    with load_engine(WEIGHTS / "bilayer-small.onnx", "torch", "f32") as engine:
        bound = engine.bind(2, device)
        inputs = {name: rng.normal(0, 0.3, array.shape).astype("f4") for name, array in bound.inputs.items()}
        for name, array in inputs.items():
            device.write(bound.inputs[name], array)
        bound.run()
        for name, expected in engine(inputs).items():
            np.testing.assert_allclose(device.download(bound.outputs[name]), expected, atol=1e-5)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("runtime", ["tensorrt", "torch"])
def test_a_gpu_replays_the_same_answers(runtime):
    from kernels.cuda_device import CudaDevice

    device = CudaDevice()
    if runtime == "tensorrt" and not builds_for(import_tensorrt(), find_cuda_device().compute_capability):
        pytest.skip(f"TensorRT does not build for {find_cuda_device()}")
    rng = np.random.default_rng(0)
    with load_engine(WEIGHTS / "trunk-small.onnx", runtime, "f32", batches=(1, 4)) as engine:
        bound = engine.bind(4, device)
        for _ in range(2):
            crops = rng.integers(0, 256, bound.inputs["crops"].shape, np.uint8)
            device.write(bound.inputs["crops"], crops)
            bound.run()
            for name, expected in engine({"crops": crops}).items():
                np.testing.assert_allclose(device.download(bound.outputs[name]), expected, rtol=1e-3, atol=1e-3)


CPU_SECONDS = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_utime + used.ru_stime)
print(done.stderr)
"""


@pytest.mark.skipif(
    find_cuda_device() is not None, reason="tells what happens on a machine without a GPU, and this one has one"
)
@pytest.mark.skipif(sys.platform == "win32", reason="processor time of children is a Unix figure")
def test_without_a_gpu_the_program_ends_at_once_and_says_what_to_install():
    """In processor time: on a machine that does nothing else that is the time it takes."""
    command = ["run_stream.py", "--source", "test:seconds=1", "--runtime", "tensorrt", "--summary", "/dev/null"]
    done = subprocess.run(
        [sys.executable, "-c", CPU_SECONDS, *command], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    figures, _, said = done.stdout.partition("\n")
    code, seconds = figures.split()
    assert code == "1"
    assert "needs an NVIDIA GPU and its driver" in said and "pip install 'bodystream[tensorrt]'" in said
    assert "--runtime openvino" in said and "Traceback" not in said
    # Processor time of one core, whatever else runs: it takes 0.7 s.
    assert float(seconds) < 2
