"""What a pose log contains: topics, message types, metadata records, and the encoding of one frame.

The layout of `/bodies` is fixed, other programs read it. Numbers are rounded (0.01 px, 0.1 mm, 0.00001 rad): the noise
of any camera is larger, and a rounded log is a third of the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from engines.keypoints import JOINT_NAMES, POINT_NAMES
from pipeline.types import Frame, FrameResult, TrackedBody

BODIES_TOPIC = "/bodies"
EVENTS_TOPIC = "/events"
SKELETON_RECORD = "skeleton"
"""Metadata record: joint_names, keypoint_names, body_model, method, weights, camera_assumed."""
CAMERA_RECORD = "camera"
"""Metadata record, one per stream: stream, assumed, fx, fy, cx, cy."""
CLOCK_RECORD = "clock"
"""Metadata record: monotonic_ns and unix_ns read at the same moment, to turn timestamps into wall-clock times."""

QUALITY_UNKNOWN = -1.0
"""Logged where the quality of a body was not computed: JSON has no NaN."""

PX_DECIMALS, M_DECIMALS, RAD_DECIMALS, RATIO_DECIMALS = 2, 4, 5, 4


class CameraMessage(msgspec.Struct, frozen=True):
    """Pinhole intrinsics, pixels."""

    fx: float
    fy: float
    cx: float
    cy: float


class BodyMessage(msgspec.Struct, frozen=True):
    """One body as logged; units and frames as in `engines.estimate.BodyEstimate`."""

    track_id: int
    score: float
    quality: float
    box_xyxy: list[float]
    keypoints_2d: list[list[float]]
    joints_3d: list[list[float]]
    pose: list[list[float]]
    betas: list[float]
    translation: list[float]


class FrameMessage(msgspec.Struct, frozen=True):
    """One processed frame as logged, also where nobody is in it."""

    stream: str
    frame: int
    timestamp_ns: int
    pts_s: float
    image_size: list[int]
    camera: CameraMessage
    bodies: list[BodyMessage]


class EventMessage(msgspec.Struct, frozen=True):
    """Something that happened to a stream or to the log itself, such as frames it could not keep."""

    stream: str
    timestamp_ns: int
    kind: str
    """"dropped", "invalid_body" or "state"."""
    count: int
    message: str


def encode_frame(result: FrameResult) -> tuple[bytes, int]:
    """The JSON of one frame, and how many of its bodies were left out because a number in them was not finite."""
    frame = result.frame
    camera = frame.intrinsics
    bodies = [_body_message(body) for body in result.bodies if _is_finite(body)]
    message = FrameMessage(
        frame.stream,
        frame.index,
        frame.capture_ns,
        round(frame.pts_s, 6),
        list(frame.size),
        CameraMessage(*(round(float(v), PX_DECIMALS) for v in (camera.fx, camera.fy, camera.cx, camera.cy))),
        bodies,
    )
    return _ENCODER.encode(message), len(result.bodies) - len(bodies)


def encode_event(event: EventMessage) -> bytes:
    """The JSON of one event."""
    return _ENCODER.encode(event)


def camera_record(frame: Frame) -> dict[str, str]:
    """The `camera` metadata record of the stream that ``frame`` belongs to."""
    camera = frame.intrinsics
    numbers = {name: repr(float(getattr(camera, name))) for name in ("fx", "fy", "cx", "cy")}
    return {"stream": frame.stream, "assumed": "true" if camera.assumed else "false", **numbers}


def skeleton_record(*, body_model: str, method: str, weights: Mapping[str, str]) -> dict[str, str]:
    """The `skeleton` metadata record; ``weights`` maps a weight file's name to its SHA-256 in hex."""
    return {
        "joint_names": ",".join(JOINT_NAMES),
        "keypoint_names": ",".join(POINT_NAMES),
        "body_model": body_model,
        "method": method,
        "weights": ",".join(f"{name}@sha256:{digest}" for name, digest in sorted(weights.items())),
    }


def bodies_schema() -> bytes:
    """JSON schema of a `/bodies` message, stored in the log."""
    return _schema(
        FrameMessage, "One processed frame. Pixels, metres, radians, nanoseconds; camera x right, y down, z on."
    )


def events_schema() -> bytes:
    """JSON schema of an `/events` message, stored in the log."""
    return _schema(EventMessage, "Something that happened to the log itself.")


def _schema(message_type: type[msgspec.Struct], description: str) -> bytes:
    return msgspec.json.encode({**msgspec.json.schema(message_type), "description": description})


def _body_message(body: TrackedBody) -> BodyMessage:
    estimate = body.estimate
    points = np.asarray(estimate.points_px, np.float64)
    points = np.column_stack([points[:, :2].round(PX_DECIMALS), points[:, 2].round(RATIO_DECIMALS)])
    quality = float(estimate.quality)
    return BodyMessage(
        int(body.track_id),
        round(float(estimate.score), RATIO_DECIMALS),
        QUALITY_UNKNOWN if np.isnan(quality) else round(quality, RATIO_DECIMALS),
        _rounded(body.box_xyxy, PX_DECIMALS),
        points.tolist(),
        _rounded(estimate.joints, M_DECIMALS),
        _rounded(estimate.pose, RAD_DECIMALS),
        _rounded(estimate.betas, M_DECIMALS),
        _rounded(estimate.translation, M_DECIMALS),
    )


def _rounded(values: np.ndarray, decimals: int) -> list[Any]:
    # As float64: the shortest text of a rounded float32 has eight digits.
    return np.asarray(values, np.float64).round(decimals).tolist()


def _is_finite(body: TrackedBody) -> bool:
    e = body.estimate
    arrays = (body.box_xyxy, e.points_px, e.joints, e.pose, e.betas, e.translation, [e.score])
    return all(np.isfinite(values).all() for values in arrays)


_ENCODER = msgspec.json.Encoder()
