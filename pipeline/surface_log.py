"""The topic `/surfaces` of a pose log: isosurfaces of `bodynet`, beside the parameters in `/bodies`.

Vertices and faces are base64 of little-endian arrays: JSON numbers would take five times the room.
"""

from __future__ import annotations

from base64 import b64encode

import msgspec
import numpy as np

from pipeline.types import FrameResult

SURFACES_TOPIC = "/surfaces"


class SurfaceMessage(msgspec.Struct, frozen=True):
    """The surface of one body, metres, camera frame: `origin + step * vertex`."""

    track_id: int
    origin: list[float]
    step: float
    vertices: str
    """base64 of int16, little-endian, V times three."""
    faces: str
    """base64 of uint32, little-endian, F times three, counter-clockwise seen from outside."""


class SurfacesMessage(msgspec.Struct, frozen=True):
    """All surfaces of one frame; `frame` and `timestamp_ns` as in `/bodies`."""

    stream: str
    frame: int
    timestamp_ns: int
    surfaces: list[SurfaceMessage]


def has_surfaces(result: FrameResult) -> bool:
    """Whether there is anything to log."""
    return any(tracked.estimate.surface is not None for tracked in result.bodies)


def encode_surfaces(result: FrameResult) -> bytes:
    """The JSON of one frame."""
    found = [
        _surface(tracked.track_id, surface.vertices, surface.faces)
        for tracked in result.bodies
        if (surface := tracked.estimate.surface) is not None and np.isfinite(surface.vertices).all()
    ]
    frame = result.frame
    return msgspec.json.encode(SurfacesMessage(frame.stream, frame.index, frame.capture_ns, found))


def surfaces_schema() -> bytes:
    """JSON schema of a `/surfaces` message, stored in the log."""
    about = "Isosurfaces of one frame, metres: origin + step * vertex; camera x right, y down, z on."
    return msgspec.json.encode({**msgspec.json.schema(SurfacesMessage), "description": about})


def _surface(track_id: int, vertices: np.ndarray, faces: np.ndarray) -> SurfaceMessage:
    low, high = vertices.min(0).astype(np.float64), vertices.max(0).astype(np.float64)
    origin = (low + high) / 2
    step = max(float((high - low).max()) / 65_000, 1e-9)
    units = np.rint((vertices - origin) / step).astype("<i2")
    return SurfaceMessage(
        int(track_id),
        origin.tolist(),
        step,
        b64encode(units.tobytes()).decode(),
        b64encode(faces.astype("<u4").tobytes()).decode(),
    )
