"""What is installed: the packages the program needs, those of each extra, and what a missing one is good for."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass

DISTRIBUTION = "bodystream"
USES = {
    "torch": "--runtime torch, the reference",
    "train": "training networks, exporting and quantising them",
    "cuda": "CUDA kernels on an NVIDIA GPU",
    "tensorrt": "--runtime tensorrt on an NVIDIA GPU",
    "open3d": "viewing in Open3D instead of the browser",
    "test": "make test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One optional set of packages; ``name`` is empty for the packages that are always needed."""

    name: str
    installed: dict[str, str]
    """Package -> version."""
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """True if every package is there."""
        return not self.missing

    @property
    def remedy(self) -> str:
        """The command that installs it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'" if self.name else f"pip install {DISTRIBUTION}"


def installed_extras() -> list[Extra]:
    """The needed packages first, then each extra; from the metadata of the installed program.

    Raises importlib.metadata.PackageNotFoundError if the program runs without being installed.
    """
    requirements: dict[str, list[str]] = {"": []}
    for requirement in importlib.metadata.requires(DISTRIBUTION) or []:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)
        extra = re.search(r"""extra\s*==\s*["']([^"']+)["']""", requirement)
        if name:
            requirements.setdefault(extra[1] if extra else "", []).append(name[0])
    return [_look(extra, names) for extra, names in requirements.items()]


def _look(extra: str, names: list[str]) -> Extra:
    installed, missing = {}, []
    for name in names:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    return Extra(name=extra, installed=installed, missing=tuple(missing))
