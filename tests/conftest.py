"""Skips what this machine cannot run, each with its reason; everything else must pass.

No test passes or fails by how fast the machine is. Limits of time in tests are of two kinds. `timeout`, `join(60)`,
`deadline`: they end a test that hangs, ten times and more beyond what it waits for on an idle machine. `nothing comes
within 0.2 s`: a slow machine makes these pass too easily, never fail. Every other bound says why it is safe.
"""

import shutil
import sys

import pytest
from hypothesis import settings

from engines.runtime.cuda_device import find_cuda_device

settings.register_profile("patient", deadline=None)  # no test depends on how busy the machine is
settings.load_profile("patient")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONAL_EXTRAS = {
    "torch": "train",
    "safetensors": "train",
    "onnxruntime": "train",
    "nncf": "train",
    "anny": "train",
    "moderngl": "train",
    "trimesh": "train",
    "tqdm": "train",
    "fast_simplification": "train",
    "cuda": "cuda",
    "tensorrt_rtx": "tensorrt",
    "polygraphy": "tensorrt",
    "modelopt": "modelopt",
    "skimage": "surface",
    "pyarrow": "parquet",
    "open3d": "open3d",
}
"""Packages that the streaming path does without, and the extra that brings each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {
        "needs_cuda": None if find_cuda_device() else "no CUDA GPU on this machine",
        "browser": None if CHROMIUM else "no Chromium: apt install chromium",
    }
    for item in items:
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


class OptionalModule(pytest.Module):
    """A test module that is skipped where an optional package it imports is not installed."""

    def _getobj(self):
        try:
            return super()._getobj()
        except self.CollectError as error:
            cause: BaseException | None = error.__cause__
            while cause is not None:
                package = (getattr(cause, "name", None) or "").partition(".")[0]
                if isinstance(cause, ImportError) and package in OPTIONAL_EXTRAS and package not in sys.modules:
                    extra = OPTIONAL_EXTRAS[package]
                    pytest.skip(f"{package} is not installed: pip install -e '.[{extra}]'", allow_module_level=True)
                cause = cause.__cause__
            raise


def pytest_pycollect_makemodule(module_path, parent):
    return OptionalModule.from_parent(parent, path=module_path)
