"""Bodies that stand where a test wants them, with points projected from the body model."""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from pipeline.types import Frame, FrameResult, TrackedBody


def standing(
    body: BodyModel, camera: Intrinsics, *, x: float = 0.0, z: float = 3.0, track_id: int = 1, arms: float = 0.0
) -> TrackedBody:
    """A person who faces the camera; ``arms`` raises them (radians, 0 is the T-pose)."""
    pose = np.zeros((24, 3), np.float32)
    pose[0] = (np.pi, 0, 0)
    pose[16, 2], pose[17, 2] = arms, -arms
    translation = np.array([x, 0.1, z], np.float32)
    betas = np.zeros(10, np.float32)
    posed = body.forward(pose, betas, translation)
    points = np.ones((41, 3), np.float32)
    points[:17, :2] = camera.project(body.coco(posed.vertices)[0])
    points[17:, :2] = camera.project(posed.joints[0])
    outline = camera.project(posed.vertices[0])
    estimate = BodyEstimate(
        pose=pose,
        betas=betas,
        translation=translation,
        joints=posed.joints[0],
        points_px=points,
        score=0.9,
        quality=0.8,
    )
    box = np.concatenate([outline.min(axis=0), outline.max(axis=0)]).astype(np.float32)
    return TrackedBody(track_id=track_id, box_xyxy=box, estimate=estimate)


def picture_result(
    bodies: tuple[TrackedBody, ...], camera: Intrinsics, size: tuple[int, int], *, index: int = 0, pts_s: float = 0.0
) -> FrameResult:
    """A grey picture with those bodies."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    frame = Frame(stream="cam", index=index, image=image, capture_ns=index, pts_s=pts_s, intrinsics=camera)
    return FrameResult(frame=frame, bodies=bodies)
