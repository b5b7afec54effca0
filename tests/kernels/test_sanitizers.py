"""The kernel tests once more, every array ending in memory that may not be touched.

The address sanitizer must be in the process before Python allocates anything, hence a process of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]


def libasan() -> str:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: apt install g++")
    path = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True).stdout
    if not Path(path.strip()).is_absolute():
        pytest.skip("g++ has no address sanitizer here")
    return path.strip()


def run(*arguments, **environment):
    sanitized = {
        "LD_PRELOAD": libasan(),
        # Python and its packages keep memory until the process ends; what leaks there is not ours.
        "ASAN_OPTIONS": "detect_leaks=0:detect_stack_use_after_return=1",
        "BODYSTREAM_SANITIZE": "address,undefined",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | sanitized | environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize("file", sorted((FOLDER / "launch").glob("test_*.py")), ids=lambda path: path.stem)
def test_no_kernel_leaves_its_arrays(file):
    done = run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "host", file)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert " passed" in done.stdout


FAULT = """
import numpy as np
from kernels.host_device import HostDevice
device = HostDevice("address,undefined")
volume = device.upload(np.ones((1, 4, 4, 4), np.float32))
out = device.empty(({size},), np.float32)
index = device.empty((64,), np.int32)
device.launch(
    "voxel_project", "voxel_project_128", grid=(4, 1, 1), block=(256, 1, 1), occupancy=volume, front=out, side=index,
    front_argmax=index, side_argmax=index, depth=4, height=4, width=4,
)
print("done")
"""


@pytest.mark.parametrize(("size", "caught"), [(16, False), (15, True)])
def test_one_element_too_few_is_caught(size, caught):
    """The sanitizer sees what it is trusted to see."""
    done = run("-c", FAULT.format(size=size))
    assert ("heap-buffer-overflow" in done.stderr) == caught, done.stderr
    assert ("done" in done.stdout) != caught
