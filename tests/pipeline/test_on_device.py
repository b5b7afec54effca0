"""--on-device: the stream with its crops, heatmaps and meshes on a device (here the kernels' twin on the CPU)."""

import shutil

import numpy as np
import pytest

from engines.body import load_body
from engines.methods.device_method import open_device_method
from engines.metrics import pa_mpjpe
from engines.runtime.cuda_device import find_cuda_device
from kernels.host_device import HostDevice
from pipeline.assemble import method_on_device
from pipeline.config import RunConfig
from pipeline.errors import BodystreamError, UsageError
from pipeline.estimator import Estimator
from pipeline.sources.registry import open_source
from pipeline.truth import match

CONFIG = RunConfig(source=("demo",), precision="f32", threads=1, fast=True, on_device=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_a_person_is_followed_by_the_networks_on_the_device():
    body = load_body()
    method = open_device_method(body, runtime="openvino", precision="f32", device=HostDevice(""), most_people=1)
    estimator = Estimator(CONFIG, body, method)
    errors, ids = [], set()
    with open_source("demo:seconds=1,people=1", stream="demo") as source:
        for index in range(6):
            frame = source.read()
            result = estimator.process(frame)
            assert index == 0 or {"upload", "device"} <= set(result.spans_ms)
            for found, true in match(result.bodies, source.truth(index), frame.intrinsics):
                ids.add(found.track_id)
                errors.append(pa_mpjpe(found.estimate.joints, true.joints))
    estimator.close()
    assert len(errors) >= 5 and len(ids) == 1
    # The mean pose, told the true heading, is 170 mm off on rendered people.
    assert np.mean(errors) < 0.16


@pytest.mark.parametrize("other", [{"fast": False}, {"method": "smplify"}, {"keypoints": "net.onnx"}])
def test_what_the_device_path_does_not_do_is_refused(other):
    with pytest.raises(UsageError, match=r"--on-device runs --method bilayer .*: add --fast"):
        method_on_device(RunConfig(**{"source": ("demo",), "fast": True, "on_device": True} | other), load_body())


@pytest.mark.skipif(
    find_cuda_device() is not None, reason="tells what happens on a machine without a GPU, and this one has one"
)
def test_without_a_gpu_it_says_so():
    with pytest.raises(BodystreamError, match="--on-device needs an NVIDIA GPU"):
        method_on_device(CONFIG, load_body())
