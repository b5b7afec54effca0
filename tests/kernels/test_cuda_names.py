"""What only runs on a GPU calls things that exist: every name of the driver and of TensorRT that the code uses."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_driver_has_every_function_that_is_called():
    driver = pytest.importorskip("cuda.bindings.driver", reason="needs the cuda extra: pip install -e '.[cuda]'")
    source = (ROOT / "kernels" / "cuda_device.py").read_text()
    names = set(re.findall(r'_call\(\s*"(cu\w+)"', source)) | set(re.findall(r"_driver\.(\w+)", source))
    assert len(names) > 12
    assert not [name for name in names if not hasattr(driver, name)]
    assert hasattr(driver.CUstreamCaptureMode, "CU_STREAM_CAPTURE_MODE_THREAD_LOCAL")
    assert hasattr(driver.CUevent_flags, "CU_EVENT_DISABLE_TIMING")


def test_tensorrt_has_every_attribute_that_is_used():
    trt = pytest.importorskip("tensorrt_rtx", reason="needs the tensorrt extra: pip install -e '.[tensorrt]'")
    for name in ("tensorrt.py", "tensorrt_build.py", "build_progress.py"):
        source = (ROOT / "engines" / "runtime" / name).read_text()
        for path in set(re.findall(r"\b(?:self\._)?trt\.([A-Z]\w+(?:\.\w+)*)", source)):
            found = trt
            for part in path.split("."):
                assert hasattr(found, part), f"{name}: trt.{path}"
                found = getattr(found, part)
    for owner, attributes in {
        trt.IExecutionContext: "set_optimization_profile_async set_input_shape set_tensor_address execute_async_v3",
        trt.ICudaEngine: "create_runtime_config create_execution_context get_tensor_mode num_io_tensors",
        trt.IRuntimeConfig: "dynamic_shapes_kernel_specialization_strategy",
        trt.IBuilderConfig: "progress_monitor set_compute_capability num_compute_capabilities set_flag clear_flag",
    }.items():
        assert not [name for name in attributes.split() if not hasattr(owner, name)]
