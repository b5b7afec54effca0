"""The devices that kernel tests run on: the kernels' own sources on this CPU, and a GPU where there is one."""

import os
import shutil

import pytest

from kernels.host_device import HostDevice

SANITIZE = os.environ.get("BODYSTREAM_SANITIZE", "undefined")
"""g++'s -fsanitize for the CPU; `tests/kernels/test_sanitizers.py` runs these files again with "address" too."""


@pytest.fixture(scope="session", params=["host", pytest.param("cuda", marks=pytest.mark.needs_cuda)])
def device(request):
    if request.param == "host":
        if shutil.which("g++") is None:
            pytest.skip("g++ is not installed: apt install g++")
        return HostDevice(SANITIZE)
    from kernels.cuda_device import CudaDevice

    return CudaDevice()
