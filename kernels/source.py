"""Reads the CUDA sources: which kernels a file has and how their parameter structs are laid out.

The struct in the .cu file is the only definition: its ctypes twin is made from it, so that the two cannot part.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CUDA_DIR = Path(__file__).parent / "cuda"

_KERNEL = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\((\w+) p\)')
_FIELD = re.compile(r"(?:const )?(\w+(?: long)?)(\*?) (\w+)(?:\[(\d+)\])?;")
_SCALARS: dict[str, type] = {"int": ctypes.c_int32, "float": ctypes.c_float, "double": ctypes.c_double}


class KernelSourceError(Exception):
    """A kernel source is missing or not written as this module expects."""


@dataclass(frozen=True, slots=True)
class KernelSource:
    """One .cu file."""

    name: str
    """File name without its ending."""
    text: str
    params: dict[str, type[ctypes.Structure]]
    """Per kernel, its parameter struct."""

    @property
    def fma(self) -> bool:
        """May a multiplication and an addition be contracted to one operation?"""
        return not self.text.startswith("// fma: off")


def source_names() -> tuple[str, ...]:
    """Every .cu file of the package, sorted."""
    return tuple(sorted(path.stem for path in CUDA_DIR.glob("*.cu")))


@cache
def kernel_source(name: str) -> KernelSource:
    """The parsed file ``name``.cu. Raises KernelSourceError."""
    path = CUDA_DIR / f"{name}.cu"
    if not path.is_file():
        raise KernelSourceError(f"there is no kernel source {name}; there are {', '.join(source_names())}")
    text = path.read_text(encoding="utf-8")
    kernels = _KERNEL.findall(text)
    if not kernels or len(kernels) != text.count("__global__"):
        raise KernelSourceError(f"{path.name}: every kernel must be declared as: {_KERNEL.pattern}")
    return KernelSource(name, text, {kernel: _structure(text, struct, path.name) for kernel, struct in kernels})


def _structure(text: str, struct: str, file: str) -> type[ctypes.Structure]:
    found = re.search(rf"^struct {struct} \{{\n(.*?)^\}};", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise KernelSourceError(f"{file} has no struct {struct}")
    fields: list[tuple[str, Any]] = []
    for line in found[1].splitlines():
        code, _, comment = line.strip().partition("//")
        if not code:
            continue
        parts = _FIELD.fullmatch(code.strip())
        if not parts or not comment.strip() or not (parts[2] or parts[1] in _SCALARS):
            raise KernelSourceError(f"{file}, struct {struct}: `{line.strip()}` is no field with a comment")
        kind: Any = ctypes.c_void_p if parts[2] else _SCALARS[parts[1]]
        fields.append((parts[3], kind if parts[4] is None else kind * int(parts[4])))
    return type(struct, (ctypes.Structure,), {"_fields_": fields})
