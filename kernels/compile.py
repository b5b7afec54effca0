"""CUDA source -> cubin by NVRTC, kept in the user's cache directory. Needs no GPU: the architecture is always named."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kernels.source import CUDA_DIR, KernelSource

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100")
"""What the tests compile for; any other that NVRTC knows works too."""


class KernelCompileError(Exception):
    """NVRTC is missing or refused a source."""


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/bodystream/kernels`, or under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bodystream" / "kernels"


def compile_cubin(source: KernelSource, arch: str, cache_dir: Path | None = None) -> bytes:
    """Machine code of ``source`` for ``arch`` (such as "sm_90"). Raises KernelCompileError with NVRTC's own words."""
    try:
        from cuda.core import Program, ProgramOptions

        compiler = version("nvidia-cuda-nvrtc")
    except (ImportError, PackageNotFoundError) as error:
        raise KernelCompileError(f"kernels need NVRTC: pip install 'bodystream[cuda]' ({error})") from error
    directory = default_cache_dir() if cache_dir is None else cache_dir
    headers = "".join(path.read_text(encoding="utf-8") for path in sorted(CUDA_DIR.glob("*.cuh")))
    key = "\0".join((source.text, headers, arch, compiler, str(source.fma)))
    path = directory / f"{source.name}-{arch}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.cubin"
    if path.is_file():
        return path.read_bytes()
    options = ProgramOptions(name=f"{source.name}.cu", arch=arch, include_path=str(CUDA_DIR), fma=source.fma)
    try:
        cubin = bytes(Program(source.text, "c++", options).compile("cubin").code)
    except Exception as error:  # cuda.core raises its own types per compiler; all mean the same here
        raise KernelCompileError(f"{source.name}.cu does not compile for {arch}: {error}") from error
    _write(path, cubin)
    return cubin


def _write(path: Path, content: bytes) -> None:
    """Under another name first: a reader sees all of the file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(temporary, path)
