"""Results of a made-up person who walks on the spot and waves: input for sinks, no network needed."""

from __future__ import annotations

import time

import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_POINTS
from pipeline.types import Frame, FrameResult, TrackedBody


def estimate(body: BodyModel, phase: float, x_m: float = 0.0) -> BodyEstimate:
    """Upright, facing the camera 3 m away, right arm swinging with `phase` (radians)."""
    pose = np.zeros((24, 3), np.float32)
    pose[0] = (np.pi, 0, 0)
    pose[16, 2], pose[17, 2] = -1.0, 0.9 * np.sin(phase)
    pose[1, 0], pose[2, 0] = 0.4 * np.sin(phase), -0.4 * np.sin(phase)
    betas = np.linspace(-1, 1, 10, dtype=np.float32)
    translation = np.array([x_m, 0.1, 3.0], np.float32)
    return BodyEstimate(
        pose=pose,
        betas=betas,
        translation=translation,
        joints=body.joints(pose, betas, translation)[0],
        points_px=np.zeros((NUM_POINTS, 3), np.float32),
        score=0.9,
        quality=float("nan"),
    )


def result(body: BodyModel, index: int, ids: tuple[int, ...] = (1,), *, stream: str = "cam1", **kwargs) -> FrameResult:
    """Frame `index` of a 30 Hz stream with these people in it, side by side."""
    frame = Frame(
        stream=stream,
        index=index,
        image=np.broadcast_to(np.uint8(0), (720, 1280, 3)),
        capture_ns=time.monotonic_ns(),
        pts_s=index / 30,
        intrinsics=Intrinsics.from_fov(1280, 720, assumed=True),
        **kwargs,
    )
    bodies = tuple(
        TrackedBody(
            track_id=i,
            box_xyxy=np.array([0, 0, 10, 10], np.float32),
            estimate=estimate(body, index * 0.2 + i, x_m=1.2 * (n - (len(ids) - 1) / 2)),
        )
        for n, i in enumerate(ids)
    )
    return FrameResult(frame=frame, bodies=bodies)
