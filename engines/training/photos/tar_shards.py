"""Photograph shards: plain tar files of KEY.jpg and KEY.json pairs, as the training material comes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

OPEN_CLASSES = frozenset({"open", "stated-open", "mixed-cc"})
"""Licence classes that the default weights learn from."""


def iterate_photos(
    folder: Path, split: str, licence_classes: frozenset[str] | None = OPEN_CLASSES
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield (image (H, W, 3) uint8 RGB, JSON record) of every photograph of ``split`` ("train" or "val").

    ``licence_classes=None`` admits all. Raises FileNotFoundError where the folder holds no shard of the split, OSError
    where a member is no picture.
    """
    for data, record in iterate_jpegs(folder, split, licence_classes):
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise OSError(f"{record['key']}.jpg of {folder} is not a picture; copy the shard again")
        yield image, record


def iterate_jpegs(
    folder: Path, split: str, licence_classes: frozenset[str] | None = OPEN_CLASSES
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """As `iterate_photos`, but the pictures as the bytes (n,) uint8 of their JPEG files."""
    paths = sorted(Path(folder).glob(f"{split}-*.tar"))
    if not paths:
        raise FileNotFoundError(f"no {split}-*.tar in {folder}; point --shared at the folder of the training material")
    for path in paths:
        with tarfile.open(path) as archive:
            members = {member.name: member for member in archive}
            for name in sorted(members):
                if not name.endswith(".json"):
                    continue
                record = json.load(_open(archive, members[name]))
                if licence_classes is not None and record["licence_class"] not in licence_classes:
                    continue
                record["key"] = Path(name).stem
                yield np.frombuffer(_open(archive, members[name[:-5] + ".jpg"]).read(), np.uint8), record


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo):
    handle = archive.extractfile(member)
    if handle is None:
        raise OSError(f"{member.name} in {archive.name!r} is not a file")
    return handle
