"""The motion of the demo clip: a few seconds of motion capture that the trained networks have never seen.

`demo_motion.npz` is an excerpt from validation clips of the motion data set. Made by

    python -m pipeline.sources.demo_motion POSES.npz pipeline/sources/demo_motion.npz

The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217. It may be used freely, also in products; it may not be resold by itself, even in converted form.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from engines.keypoints import JOINT_MIRROR

FPS = 30.0
MOTIONS: dict[str, tuple[str, int, int]] = {
    "stay": ("ex_test_washwindow_1", 60, 300),
    "cross": ("141_25", 0, 154),
    "stroll": ("29_01", 0, 300),
}
"""Motion -> clip of the data set, first frame, number of frames."""
ACKNOWLEDGEMENT = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF "
    "EIA-0196217. Free to use, also in products; may not be resold by itself, even in converted form. "
    "Clips: wash window (exponential maps), 141_25 and 29_01 (BVH), retargeted to 24 joints, 30 frames/s."
)


@dataclass(frozen=True, slots=True)
class Motion:
    """A moving body in a world with y up and the floor at y = 0."""

    pose: np.ndarray
    """(T, 24, 3) float32 rotation vectors."""
    place: np.ndarray
    """(T, 3) float32, metres: the pelvis of a body with legs of 0.811 m from hip to ankle."""

    def __len__(self) -> int:
        return len(self.pose)

    def mirrored(self) -> Motion:
        """Left and right exchanged."""
        return Motion(self.pose[:, list(JOINT_MIRROR)] * (1, -1, -1), self.place * (-1, 1, 1))


def load_motions() -> dict[str, Motion]:
    """The shipped motions by name."""
    with resources.files(__package__).joinpath("demo_motion.npz").open("rb") as file, np.load(file) as data:
        return {
            name: Motion(data[f"{name}_pose"].astype(np.float32), data[f"{name}_place"].astype(np.float32))
            for name in MOTIONS
        }


def bake(poses: Path, output: Path) -> None:
    """Cut the excerpt out of the data set's ``poses.npz``."""
    arrays: dict[str, np.ndarray] = {"acknowledgement": np.array(ACKNOWLEDGEMENT)}
    with np.load(poses) as data:
        names, starts = data["names"].tolist(), np.concatenate([[0], np.cumsum(data["lengths"])])
        rotvec, trans = data["rotvec"], data["trans"]
        for name, (clip, first, count) in MOTIONS.items():
            index = names.index(clip)
            begin = starts[index] + first
            end = min(begin + count, starts[index + 1])
            arrays[f"{name}_pose"] = rotvec[begin:end].astype(np.float16)
            arrays[f"{name}_place"] = trans[begin:end].astype(np.float16)
    np.savez_compressed(output, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    bake(Path(sys.argv[1]), Path(sys.argv[2]))
