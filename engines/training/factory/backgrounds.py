"""Photographs without people behind the rendered ones."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

SHIPPABLE_LICENCES = ("open", "stated-open", "mixed-cc")
"""Licence classes that published weights may be trained on; the others are drawn only when asked for."""


def load_backgrounds(shared: Path, *, val: bool, licences: Collection[str] = SHIPPABLE_LICENCES) -> list[np.ndarray]:
    """JPEG bytes (n,) uint8 of every photograph whose licence class is in `licences`."""
    out = []
    for path in sorted((shared / "data/backgrounds").glob("val-*.tar" if val else "train-*.tar")):
        with tarfile.open(path) as tar:
            members = {member.name: member for member in tar.getmembers() if member.isfile()}
            for name, member in members.items():
                if not name.endswith(".json"):
                    continue
                if json.load(tar.extractfile(member))["licence_class"] in licences:  # type: ignore[arg-type]
                    data = tar.extractfile(members[name[:-4] + "jpg"]).read()  # type: ignore[union-attr]
                    out.append(np.frombuffer(data, np.uint8))
    if not out:
        raise ValueError(f"no background with a licence class of {sorted(licences)} in {shared}/data/backgrounds")
    return out


def random_patch(image: np.ndarray, size: int, rng: np.random.Generator, smallest: float = 0.5) -> np.ndarray:
    """A random square of an image, at least `smallest` of its short side, mirrored at random -> (size, size, 3)."""
    height, width = image.shape[:2]
    side = max(8, int(min(height, width) * rng.uniform(smallest, 1.0)))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    patch = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(patch[:, ::-1]) if rng.random() < 0.5 else patch


def procedural(size: int, rng: np.random.Generator) -> np.ndarray:
    """Soft coloured noise over a gradient, (size, size, 3) uint8: walls, haze, unfocused rooms."""
    coarse = rng.integers(0, 256, (int(rng.integers(2, 9)), int(rng.integers(2, 9)), 3)).astype(np.float32)
    noise = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    out = rng.uniform(30, 225, 3) + (noise - 128) * rng.uniform(0.05, 0.6)
    return np.clip(out, 0, 255).astype(np.uint8)


def colour_jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random exposure, white balance and contrast."""
    out = (image.astype(np.float32) - 128) * rng.uniform(0.7, 1.2) + 128
    return np.clip(out * rng.uniform(0.6, 1.25) * rng.uniform(0.93, 1.07, 3), 0, 255).astype(np.uint8)
