"""Dataclasses of arrays as npz files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

import numpy as np


class StoredArrays:
    """Base of dataclasses all of whose fields are arrays."""

    __slots__ = ()

    def save(self, path: Path) -> None:
        """Written beside and renamed: a broken run leaves no half file."""
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in _names(self)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return cls(**{name: data[name] for name in _names(cls)})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of one after those of another."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _names(cls)})


def _names(of: Any) -> list[str]:
    return [field.name for field in fields(of)]
