"""Sources, parameter structs, the shim and what launches refuse."""

import ctypes
import shutil

import numpy as np
import pytest

from kernels import source
from kernels.check import check_array, one_device
from kernels.device import DeviceArray, DeviceError
from kernels.host_device import HostDevice
from kernels.source import KernelSourceError, kernel_source, source_names

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")


@pytest.fixture
def write_kernel(tmp_path, monkeypatch):
    """Sources of the test's own, and where they are compiled to."""
    monkeypatch.setattr(source, "CUDA_DIR", tmp_path)
    kernel_source.cache_clear()
    yield lambda name, text: (tmp_path / f"{name}.cu").write_text(text)
    kernel_source.cache_clear()


KERNEL = """#include "device.cuh"
struct SumParams {{
    const float* values;  // (n,)
    float* total;         // (2,)
    float weights[2];     // by hand
    int n;                // of values
}};
extern "C" __global__ void total(SumParams p) {{
    {body}
}}
HOST_ENTRY_BARRIERS(total, SumParams)
"""


def launch(cache_dir, values):
    device = HostDevice("undefined", cache_dir)
    out = device.filled((2,), np.float32, 0)
    fields = {"values": device.upload(np.asarray(values, np.float32)), "total": out, "n": len(values)}
    device.launch("total", "total", grid=(1, 1, 1), block=(64, 1, 1), weights=(1.0, 10.0), **fields)
    return device.download(out)


@needs_compiler
def test_shuffles_and_barriers_act_as_on_a_gpu(write_kernel, tmp_path):
    """Lanes exchange values of their own warp, threads see what others wrote before a barrier."""
    body = """__shared__ float sums[2];
    const float sum = warp_sum(static_cast<int>(threadIdx.x) < p.n ? p.values[threadIdx.x] : 0.0f);
    if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x < 2) p.total[threadIdx.x] = sums[1 - threadIdx.x] * p.weights[threadIdx.x];"""
    write_kernel("total", KERNEL.format(body=body))
    values = np.arange(50)
    assert launch(tmp_path, values).tolist() == [values[32:].sum(), 10 * values[:32].sum()]


@needs_compiler
@pytest.mark.parametrize(
    "body",
    [
        "if (threadIdx.x == p.n + 2) return; __syncthreads();",
        "if (threadIdx.x < 32 * p.n) __syncthreads();",
        "if (threadIdx.x % 2 == p.n) warp_sum(1.0f);",
    ],
)
def test_a_barrier_that_some_threads_never_reach_is_reported(write_kernel, tmp_path, body):
    write_kernel("total", KERNEL.format(body=body))
    with pytest.raises(DeviceError, match="part at a barrier"):
        launch(tmp_path, [1.0])


@needs_compiler
def test_an_empty_grid_starts_nothing_and_fields_must_fit(write_kernel, tmp_path):
    write_kernel("total", KERNEL.format(body="p.total[0] = 1.0f;"))
    device = HostDevice("undefined", tmp_path)
    out = device.filled((2,), np.float32, 0)
    fields = {"values": None, "total": out, "weights": (0, 0), "n": 0}
    device.launch("total", "total", grid=(0, 1, 1), block=(32, 1, 1), **fields)
    assert not device.download(out).any()
    with pytest.raises(TypeError, match=r"missing or unknown: \['extra', 'n'\]"):
        fields.pop("n")
        device.launch("total", "total", grid=(1, 1, 1), block=(32, 1, 1), extra=1, **fields)


def test_structs_are_laid_out_as_c_does(write_kernel):
    write_kernel("total", KERNEL.format(body=""))
    struct = kernel_source("total").params["total"]
    assert ctypes.sizeof(struct) == 32
    assert [getattr(struct, name).offset for name in ("values", "total", "weights", "n")] == [0, 8, 16, 24]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("// (n,)", "", "no field with a comment"),
        ("int n;", "half n;", "no field with a comment"),
        ("struct SumParams", "struct Other", "no struct SumParams"),
        ('extern "C" ', "", "every kernel must be declared"),
    ],
)
def test_sources_that_cannot_be_read_are_refused(write_kernel, old, new, words):
    write_kernel("total", KERNEL.format(body="").replace(old, new))
    with pytest.raises(KernelSourceError, match=words):
        kernel_source("total")


def test_every_source_is_described_field_by_field():
    assert len(source_names()) == 9
    for name in source_names():
        assert kernel_source(name).params
    with pytest.raises(KernelSourceError, match="there are agreement, average_mirror"):
        kernel_source("missing")


class OnGpu:
    """What torch and CuPy show of an array."""

    def __init__(self, **face):
        self.__cuda_array_interface__ = {"shape": (4, 6), "typestr": "<f4", "data": (4096, False), "version": 3} | face


def test_foreign_arrays_are_wrapped_without_a_copy():
    device = HostDevice("")
    array = DeviceArray.of(OnGpu(), device)
    assert (array.pointer, array.shape, array.dtype, array.nbytes) == (4096, (4, 6), np.float32, 96)
    assert DeviceArray.of(OnGpu(strides=(24, 4)), device).reshape(3, 8).shape == (3, 8)
    with pytest.raises(ValueError, match=r"strides \(48, 4\), it must be contiguous"):
        DeviceArray.of(OnGpu(strides=(48, 4)), device)
    with pytest.raises(TypeError, match="list is not in the memory of a GPU"):
        DeviceArray.of([0.0], device)
    with pytest.raises(ValueError, match="multiple of 16"):
        check_array("a", DeviceArray.of(OnGpu(data=(4100, False)), device), (4, 6), np.float32)
    with pytest.raises(ValueError, match="one device"):
        one_device(a=array, b=DeviceArray.of(OnGpu(), HostDevice("")))
    with pytest.raises(ValueError, match="cannot be seen as"):
        array.reshape(5, 5)
    assert not hasattr(array, "__cuda_array_interface__")  # its device is no GPU


@pytest.mark.needs_cuda
def test_a_gpu_shares_its_arrays():
    from kernels.cuda_device import CudaDevice

    device = CudaDevice()
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    array = device.upload(values)
    again = DeviceArray.of(array, device)
    assert again.pointer == array.pointer
    np.testing.assert_array_equal(device.download(again), values)
