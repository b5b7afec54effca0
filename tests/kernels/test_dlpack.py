"""Arrays handed to and taken from other libraries without a copy; memory is let go of exactly once."""

import gc
import shutil

import numpy as np
import pytest

from kernels import dlpack
from kernels.device import DeviceArray
from kernels.host_device import HostDevice

TYPES = ["u1", "i4", "i8", "f2", "f4", "f8", "?"]


@pytest.fixture
def device():
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: apt install g++")
    return HostDevice("")


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (3, 0)])
def test_numpy_sees_the_same_memory(device, dtype, shape):
    values = (np.random.default_rng(0).random(shape) * 9).astype(dtype)
    array = device.upload(values)
    seen = np.from_dlpack(array)
    assert seen.dtype == values.dtype and seen.shape == shape
    np.testing.assert_array_equal(seen, values)
    taken = DeviceArray.of(values, device)
    assert (taken.shape, taken.dtype) == (values.shape, values.dtype)
    assert taken.pointer == values.ctypes.data or not values.size


def test_memory_lives_as_long_as_anybody_looks_at_it(device):
    array = device.upload(np.arange(6, dtype=np.float32))
    seen = np.from_dlpack(array)
    del array
    gc.collect()
    assert device.used == 24 and seen.tolist() == [0, 1, 2, 3, 4, 5]
    del seen
    gc.collect()
    assert device.used == 0 and not dlpack._alive


def test_a_capsule_that_nobody_took_is_let_go_of(device):
    capsule = device.upload(np.arange(6.0)).__dlpack__()
    gc.collect()
    assert device.used == 48
    del capsule
    gc.collect()
    assert device.used == 0 and not dlpack._alive


def test_torch_writes_what_a_kernel_reads(device):
    torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")
    array = device.filled((2, 3), np.float32, 0)
    torch.from_dlpack(array)[1, 2] = 7
    assert device.download(array)[1, 2] == 7
    foreign = torch.arange(6, dtype=torch.int32).reshape(2, 3)
    taken = DeviceArray.of(foreign, device)
    del foreign
    gc.collect()
    assert device.download(taken).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_what_is_refused(device):
    torch = pytest.importorskip("torch", reason="needs the train extra: pip install -e '.[train]'")
    with pytest.raises(ValueError, match=r"strides \(1, 4\) elements, it must be contiguous"):
        DeviceArray.of(torch.zeros(3, 4).T, device)
    with pytest.raises(TypeError, match="DLPack type 4"):
        DeviceArray.of(torch.zeros(3, dtype=torch.bfloat16), device)

    class Gpu(HostDevice):
        is_gpu = True
        dlpack_device = dlpack.CUDA, 0

    with pytest.raises(TypeError, match=r"on DLPack device \(1, 0\), not on \(2, 0\)"):
        DeviceArray.of(torch.zeros(3), Gpu(""))
