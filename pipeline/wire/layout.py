"""The bytes of wire version 1: kinds, topics, and one packed little-endian layout per message part.

The layouts below are the only description of the wire: `docs/wire.md` is printed from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

MAGIC = b"BS"
VERSION = 1
NUM_JOINTS = 24
NUM_BETAS = 10

MAX_BODIES = 256
"""Most bodies in one message; a frame that claims more is refused before anything is allocated."""
MAX_VERTICES = 65_536
MAX_FACES = 131_072
MAX_PART_BYTES = 4 * 1024 * 1024
"""No part of a valid message is larger: set it as ZMQ_MAXMSGSIZE of a subscriber."""

STATIC_PERIOD_S = 1.0
"""A static message leaves at least this often per stream, and at once for every new subscription."""
GEOMETRY_PERIOD_S = 30.0
"""Geometry leaves for every new subscription to it, and this often for readers behind a forwarder."""
RETIRE_AFTER_S = 0.5
"""A publisher retires a body that was in no frame for this long."""
EXPIRY_S = 1.0
"""A subscriber drops a body that was in no frame for this long, even if no retire message came."""


class WireError(ValueError):
    """Bytes that are no message of this wire version, or values that do not fit into one."""


class Kind(IntEnum):
    """What a message is; the letter in front of its topic."""

    STATIC = 1
    GEOMETRY = 2
    FRAME = 3
    RETIRE = 4
    VOLUME = 5

    @property
    def letter(self) -> str:
        return self.name[0].lower()


class SourceState(IntEnum):
    """State of a stream's source as its static message tells it."""

    UNKNOWN = 0
    IDLE = 1
    OPENING = 2
    RUNNING = 3
    RECONNECTING = 4
    ENDED = 5
    FAILED = 6


class RetireReason(IntEnum):
    """Why bodies were retired."""

    LEFT = 0
    STREAM_CLOSED = 1


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a layout; its offset follows from the order."""

    name: str
    dtype: str
    meaning: str
    shape: tuple[int, ...] = ()


def packed(fields: tuple[Field, ...]) -> np.dtype:
    """The numpy dtype of a layout: packed, in the order of its fields."""
    return np.dtype([(f.name, f.dtype, f.shape) if f.shape else (f.name, f.dtype) for f in fields])


COMMON_FIELDS = (
    Field("magic", "S2", 'the bytes "BS"'),
    Field("version", "u1", "1; another value means that nothing after this byte is known"),
    Field("kind", "u1", "1 static, 2 geometry, 3 frame, 4 retire, 5 volume"),
    Field(
        "epoch", "<u4", "random number of this run of the publisher; another value: it was restarted, forget all ids"
    ),
    Field(
        "sequence",
        "<u4",
        "frames: counts the frames of the stream from 0, a jump is the number of frames lost; "
        "other kinds: sequence of the last frame sent before this message (0 before the first)",
    ),
)

STATIC_FIELDS = (
    *COMMON_FIELDS,
    Field("monotonic_anchor_ns", "<i8", "the publisher's monotonic clock, read when this message was made"),
    Field("wall_anchor_ns", "<i8", "the publisher's wall clock (Unix time, ns) at the same moment"),
    Field("expiry_ms", "<u2", "forget a body that was in no frame for this long"),
    Field("state", "u1", "source: " + ", ".join(f"{s.value} {s.name.lower()}" for s in SourceState)),
    Field("num_joints", "u1", "24"),
    Field("num_betas", "u1", "10"),
    Field("mesh_level", "i1", "level of the meshes in frame messages, 0 the finest; -1: frames carry no mesh"),
    Field("mesh_vertices", "<u4", "vertices of that mesh; 0: none"),
    Field("names_bytes", "<u2", "length of part 2"),
    Field("body_model", "S64", "name and content hash of the body model, ASCII, padded with zero bytes"),
)

GEOMETRY_FIELDS = (
    *COMMON_FIELDS,
    Field("level", "u1", "mesh level of the template and the faces"),
    Field("num_joints", "u1", "24"),
    Field("num_betas", "u1", "10"),
    Field("reserved", "u1", "0"),
    Field("vertices", "<u4", "V, rows of part 2; 0 where the licence of the body model forbids to send its mesh"),
    Field("faces", "<u4", "F, rows of part 3; 0 likewise"),
    Field("parents", "i1", "parent of every joint, -1 for the root", (NUM_JOINTS,)),
)

FRAME_FIELDS = (
    *COMMON_FIELDS,
    Field("capture_ns", "<i8", "when the picture was captured, the publisher's monotonic clock"),
    Field("publish_us", "<u4", "from capture to the sending of this message, microseconds; 2^32 - 1: that or longer"),
    Field("frame", "<u4", "0-based index of the picture in its source, modulo 2^32"),
    Field("pts_ms", "<u4", "presentation time in the source, milliseconds, modulo 2^32"),
    Field("image_size", "<u2", "width, height of the picture, pixels", (2,)),
    Field("camera", "<f4", "fx, fy, cx, cy of the pinhole camera, pixels; top-left pixel centre at (0.5, 0.5)", (4,)),
    Field("bodies", "<u2", "N, bodies in part 2 (and meshes after it, if meshes are sent)"),
    Field("flags", "<u2", "bit 0: the camera was assumed, not measured; bit 1: meshes follow; others: ignore"),
)
FLAG_CAMERA_ASSUMED = 1
FLAG_MESHES = 2

BODY_FIELDS = (
    Field("track_id", "<u4", "identity of the person in this stream; never reused in an epoch"),
    Field("score", "u1", "confidence that a person is here, value / 254"),
    Field("quality", "u1", "agreement with the picture, worth of its kind, value / 254; 255: not known"),
    Field("translation", "<f4", "pelvis joint, metres, camera frame", (3,)),
    Field("rotations", "<u2", "24 unit quaternions, each packed into three words, see below", (NUM_JOINTS, 3)),
    Field("betas", "<i2", "shape coefficients (standard deviations), value / 2048", (NUM_BETAS,)),
)

MESH_FIELDS = (
    Field("track_id", "<u4", "the body it belongs to, same order as part 2"),
    Field("vertices", "<u4", "V, as in the static message"),
    Field("centre", "<f4", "metres, camera frame", (3,)),
    Field("step", "<f4", "metres per unit, per axis", (3,)),
)

RETIRE_FIELDS = (
    *COMMON_FIELDS,
    Field("reason", "u1", "0 the body left, 1 the stream is closed"),
    Field("reserved", "u1", "0"),
    Field("ids", "<u2", "N, number of ids in part 2"),
)

VOLUME_FIELDS = (
    *COMMON_FIELDS,
    Field("capture_ns", "<i8", "as in the frame message of the same picture, which comes before"),
    Field("frame", "<u4", "likewise"),
    Field("track_id", "<u4", "the body it belongs to"),
    Field("vertices", "<u4", "V, rows of part 2"),
    Field("faces", "<u4", "F, rows of part 3"),
    Field("centre", "<f4", "metres, camera frame", (3,)),
    Field("step", "<f4", "metres per unit, per axis", (3,)),
)

COMMON, STATIC, GEOMETRY = packed(COMMON_FIELDS), packed(STATIC_FIELDS), packed(GEOMETRY_FIELDS)
FRAME, BODY, MESH, RETIRE = packed(FRAME_FIELDS), packed(BODY_FIELDS), packed(MESH_FIELDS), packed(RETIRE_FIELDS)
VOLUME = packed(VOLUME_FIELDS)

_STREAM_NAME = re.compile(r"[A-Za-z0-9._-]{1,48}", re.ASCII)
_TOPIC = re.compile(rb"([sgfrv])/([A-Za-z0-9._-]{1,48})/")
_KIND_OF_LETTER = {kind.letter.encode(): kind for kind in Kind}


def topic(kind: Kind, stream: str) -> bytes:
    """`f/cam1/` for the frames of stream cam1; the last slash keeps a subscription to cam1 from matching cam10."""
    if not _STREAM_NAME.fullmatch(stream):
        raise WireError(f"stream name {stream!r} must be 1 to 48 of the characters A-Z a-z 0-9 . _ -")
    return f"{kind.letter}/{stream}/".encode()


def parse_topic(data: bytes) -> tuple[Kind, str]:
    """Inverse of `topic`. Raises WireError."""
    match = _TOPIC.fullmatch(data)
    if match is None:
        raise WireError(f"topic {data[:60]!r} is not KIND/STREAM/ with KIND one of s, g, f, r, v")
    return _KIND_OF_LETTER[match[1]], match[2].decode()
