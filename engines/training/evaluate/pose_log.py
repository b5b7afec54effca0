"""A second, independent reader of the pose log, from its published format alone.

The evaluation judges what a stranger would read from the file, so it shares no code with the program that wrote it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mcap.reader import make_reader

from engines.camera import Intrinsics
from engines.keypoints import COCO_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedBody:
    """One body of one frame, as the log has it."""

    track_id: int
    score: float
    coco_px: np.ndarray
    """(17, 3) float64: x, y, confidence of the COCO points, from ``keypoints_2d``."""
    joints: np.ndarray
    """(24, 3) float64, metres, camera frame."""
    pose: np.ndarray
    """(24, 3) float64 rotation vectors."""
    betas: np.ndarray
    """(10,) float64."""
    translation: np.ndarray
    """(3,) float64, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedFrame:
    """One processed frame."""

    frame: int
    pts_s: float
    camera: Intrinsics
    bodies: tuple[LoggedBody, ...]


def read_pose_log(path: Path) -> dict[int, LoggedFrame]:
    """All frames of a log by their index in the source. ValueError where the file is no pose log."""
    with path.open("rb") as stream:
        reader = make_reader(stream)
        skeleton = next((dict(m.metadata) for m in reader.iter_metadata() if m.name == "skeleton"), None)
        if skeleton is None:
            raise ValueError(f"{path} has no metadata record `skeleton`: not a pose log of this project")
        names = skeleton["keypoint_names"].split(",")
        coco = [names.index(name) for name in COCO_NAMES]
        messages = [json.loads(message.data) for _, _, message in reader.iter_messages(topics=["/bodies"])]
    return {message["frame"]: _frame(message, coco) for message in messages}


def _frame(message: dict, coco: list[int]) -> LoggedFrame:
    camera = {key: message["camera"][key] for key in ("fx", "fy", "cx", "cy")}
    return LoggedFrame(
        frame=message["frame"],
        pts_s=message["pts_s"],
        camera=Intrinsics(**camera),
        bodies=tuple(
            LoggedBody(
                track_id=body["track_id"],
                score=body["score"],
                coco_px=np.array(body["keypoints_2d"], float)[coco],
                joints=np.array(body["joints_3d"], float),
                pose=np.array(body["pose"], float),
                betas=np.array(body["betas"], float),
                translation=np.array(body["translation"], float),
            )
            for body in message["bodies"]
        ),
    )
