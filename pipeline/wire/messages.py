"""The messages of the wire as frozen values; `encode` and `decode` take them to bytes and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.wire.layout import RetireReason, SourceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What every message carries."""

    stream: str
    epoch: int
    """Random number of the publisher's run, 32 bits."""
    sequence: int
    """Frames: 0, 1, 2 ... per stream, modulo 2^32. Other kinds: that of the last frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticMessage(Envelope):
    """What stays the same: body model, clocks, conventions."""

    monotonic_anchor_ns: int
    wall_anchor_ns: int
    """Both clocks of the publisher at one moment: wall = capture_ns - monotonic_anchor_ns + wall_anchor_ns."""
    expiry_ms: int
    state: SourceState
    mesh_level: int | None
    """Level of the meshes in frames; None: parameters only."""
    mesh_vertices: int
    body_model: str
    joint_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryMessage(Envelope):
    """Enough of the body model to draw without having it."""

    level: int
    parents: tuple[int, ...]
    template: np.ndarray
    """(V, 3) float32, metres, body axes: the mean body in the T-pose."""
    faces: np.ndarray
    """(F, 3) uint32."""
    joints_rest: np.ndarray
    """(24, 3) float32, metres, body axes: joints of the mean body in the T-pose."""
    joints_shapedirs: np.ndarray
    """(24, 3, 10) float32: how they move per standard deviation of each shape coefficient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireBody:
    """One body of one frame."""

    track_id: int
    score: float
    """0..1."""
    quality: float
    """0..1, NaN where unknown."""
    translation: np.ndarray
    """(3,) float32, metres, camera frame: the pelvis joint."""
    rotations: np.ndarray
    """(24, 4) float32 unit quaternions (w, x, y, z); row 0 body axes -> camera frame, others local to the parent."""
    betas: np.ndarray
    """(10,) float32."""
    mesh: np.ndarray | None = None
    """(V, 3) float32, metres, camera frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameMessage(Envelope):
    """All bodies of one picture."""

    capture_ns: int
    """The publisher's monotonic clock."""
    publish_us: int
    """From capture to sending, microseconds."""
    frame: int
    pts_ms: int
    image_size: tuple[int, int]
    """Width, height, pixels."""
    camera: tuple[float, float, float, float]
    """fx, fy, cx, cy, pixels."""
    camera_assumed: bool
    bodies: tuple[WireBody, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireMessage(Envelope):
    """Bodies that will not come back under these ids."""

    reason: RetireReason
    track_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeMessage(Envelope):
    """The surface of the volume of one body of one picture."""

    capture_ns: int
    frame: int
    track_id: int
    vertices: np.ndarray
    """(V, 3) float32, metres, camera frame."""
    faces: np.ndarray
    """(F, 3) uint32."""


Message = StaticMessage | GeometryMessage | FrameMessage | RetireMessage | VolumeMessage
