"""What the keypoint teacher sees in every frame of a clip, computed once and kept.

One .npz per clip: ``frame`` (N,) int32, ``box`` (N, 5) float32 and ``keypoints`` (N, 17, 3) float32, one row per
person, and ``frames`` the number of frames read, so that empty frames count too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from engines.training.evaluate.teachers import FILES, KeypointTeacher


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherLabels:
    """The teacher's people of one clip."""

    frames: int
    """Frames of the clip."""
    frame: np.ndarray
    """(N,) int32: 0-based frame of each person."""
    box: np.ndarray
    """(N, 5) float32: x0 y0 x1 y1 score, pixels."""
    keypoints: np.ndarray
    """(N, 17, 3) float32: x, y, confidence."""

    def people(self, frame: int) -> np.ndarray:
        """(P, 17, 3): the people of one frame."""
        return self.keypoints[self.frame == frame]

    def save(self, path: Path) -> None:
        """Write atomically: a broken run leaves no half file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(partial, frames=self.frames, frame=self.frame, box=self.box, keypoints=self.keypoints)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> TeacherLabels:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return cls(frames=int(data["frames"]), frame=data["frame"], box=data["box"], keypoints=data["keypoints"])


def read_frames(clip: Path) -> Iterator[np.ndarray]:
    """Upright (H, W, 3) uint8 RGB frames of a video, in order."""
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4))


def label_clip(clip: Path, teacher: KeypointTeacher) -> TeacherLabels:
    """Run the teacher over every frame of a clip."""
    frame: list[int] = []
    box: list[np.ndarray] = []
    keypoints: list[np.ndarray] = []
    index = -1
    for index, image in enumerate(read_frames(clip)):
        for person in teacher(image):
            frame.append(index)
            box.append(np.append(person.box_xyxy, person.score))
            keypoints.append(person.keypoints)
    return TeacherLabels(
        frames=index + 1,
        frame=np.array(frame, np.int32),
        box=np.array(box, np.float32).reshape(-1, 5),
        keypoints=np.array(keypoints, np.float32).reshape(-1, 17, 3),
    )


def cached_labels(clip: Path, teachers: Path, cache: Path, threads: int = 1) -> TeacherLabels:
    """The labels of a clip from ``cache``, computed first where they are missing.

    The name carries a hash of the clip and of the teachers' files: a changed clip or network is labelled anew.
    """
    digest = hashlib.sha256()
    for path in (clip, teachers / FILES["nanodet"], teachers / FILES["movenet"]):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    kept = cache / f"{clip.stem}-{digest.hexdigest()[:12]}.npz"
    if not kept.is_file():
        label_clip(clip, KeypointTeacher(teachers, threads)).save(kept)
    return TeacherLabels.load(kept)
