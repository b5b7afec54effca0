"""Shards of synthetic training crops: one uncompressed .npz per few hundred pictures, read without pickle.

Pictures are JPEG bytes and masks PNG bytes, each concatenated with an offset table; labels are stacked arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from engines.training.factory.codec import decode_mask, decode_rgb, jpeg, png

FORMAT = "bodystream-synth/2"
CROP_PX = 320
"""Width and height of a stored crop: the square of the networks in it has 256."""
PARTS_PX = CROP_PX // 2
"""Width and height of the stored masks."""
JPEG_QUALITY = 88
_BLOBS = ("image", "parts", "others")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SynthSample:
    """One synthetic crop around one target person and what is true about it."""

    image: np.ndarray
    """(320, 320, 3) uint8 RGB; black where the crop leaves the source picture."""
    parts: np.ndarray
    """(160, 160) uint8: classes of `engines.keypoints.PART_NAMES`, visible pixels of the target only."""
    others: np.ndarray
    """(160, 160) uint8: 1 where another person is seen."""
    points: np.ndarray
    """(41, 3): x, y in stored-crop pixels; 1 visible, 0.5 hidden, 0 outside the source picture."""
    joints_cam: np.ndarray
    """(24, 3) metres, camera frame."""
    landmarks_cam: np.ndarray
    """(17, 3) metres, camera frame: COCO's landmarks."""
    pose: np.ndarray
    """(24, 3) rotation vectors, root in the camera frame."""
    betas: np.ndarray
    """(10,)."""
    translation: np.ndarray
    """(3,) metres, camera frame: the pelvis joint."""
    K: np.ndarray
    """(4,) fx, fy, cx, cy of the stored crop, pixels."""
    crop_in_source: np.ndarray
    """(5,) width and height of the source picture, centre x, y and side of the crop in it, source pixels."""
    box: np.ndarray
    """(4,) x0, y0, x1, y1 in stored-crop pixels: the points inside the source picture."""


LABELS = tuple(f.name for f in fields(SynthSample) if f.name not in _BLOBS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SynthShard:
    """A shard in memory; labels are stacked over its N pictures (fields as in `SynthSample`, float32)."""

    body: str
    """Identity of the body model the labels belong to."""
    points: np.ndarray
    joints_cam: np.ndarray
    landmarks_cam: np.ndarray
    pose: np.ndarray
    betas: np.ndarray
    translation: np.ndarray
    K: np.ndarray
    crop_in_source: np.ndarray
    box: np.ndarray
    blobs: dict[str, tuple[np.ndarray, np.ndarray]]
    """Per picture kind its bytes (uint8) and N + 1 offsets (int64)."""

    def __len__(self) -> int:
        return len(self.points)

    def encoded(self, kind: str, index: int) -> np.ndarray:
        """JPEG ("image") or PNG ("parts", "others") bytes of one picture, (n,) uint8."""
        data, offsets = self.blobs[kind]
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} asked for, the shard has {len(self)}")
        return data[offsets[index] : offsets[index + 1]]

    def image(self, index: int) -> np.ndarray:
        """(320, 320, 3) uint8 RGB."""
        return decode_rgb(self.encoded("image", index))

    def parts(self, index: int) -> np.ndarray:
        """(160, 160) uint8 part classes of the target."""
        return decode_mask(self.encoded("parts", index))

    def others(self, index: int) -> np.ndarray:
        """(160, 160) uint8, 1 where another person is seen."""
        return decode_mask(self.encoded("others", index))


def write_shard(path: str | Path, samples: Sequence[SynthSample], body: str = "") -> None:
    """Write samples; the file appears under its name only when it is complete."""
    if not samples:
        raise ValueError("0 samples given, a shard needs at least one")
    arrays: dict[str, np.ndarray] = {"format": np.array(FORMAT), "body": np.array(body)}
    for kind in _BLOBS:
        pictures = [getattr(sample, kind) for sample in samples]
        encoded = [jpeg(p, JPEG_QUALITY) for p in pictures] if kind == "image" else [png(p) for p in pictures]
        arrays[kind] = np.concatenate(encoded)
        arrays[f"{kind}_offsets"] = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    for name in LABELS:
        arrays[name] = np.stack([getattr(sample, name) for sample in samples]).astype(np.float32)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read_shard(path: str | Path) -> SynthShard:
    """Read a shard; raises ValueError where the file is not one."""
    with np.load(path, allow_pickle=False) as data:
        if "format" not in data or str(data["format"]) != FORMAT:
            raise ValueError(f"{path} is not a {FORMAT} shard; render it again with python -m engines.training.factory")
        return SynthShard(
            body=str(data["body"]),
            blobs={kind: (data[kind], data[f"{kind}_offsets"]) for kind in _BLOBS},
            **{name: data[name] for name in LABELS},
        )
