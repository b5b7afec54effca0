"""Messages to multipart bytes. Pure functions; the counterpart is `pipeline.wire.decode`."""

from __future__ import annotations

import numpy as np

from pipeline.wire import layout, quantise
from pipeline.wire.layout import Kind, WireError
from pipeline.wire.messages import (
    Envelope,
    FrameMessage,
    GeometryMessage,
    Message,
    RetireMessage,
    StaticMessage,
    VolumeMessage,
    WireBody,
)


def encode(message: Message) -> list[bytes]:
    """The parts [topic, header, payload...] of a message. Raises WireError if a value does not fit."""
    if isinstance(message, FrameMessage):
        return _frame(message)
    if isinstance(message, StaticMessage):
        return _static(message)
    if isinstance(message, GeometryMessage):
        return _geometry(message)
    return _volume(message) if isinstance(message, VolumeMessage) else _retire(message)


def _header(dtype: np.dtype, kind: Kind, message: Envelope) -> np.ndarray:
    header = np.zeros((), dtype)
    header["magic"], header["version"], header["kind"] = layout.MAGIC, layout.VERSION, kind
    header["epoch"], header["sequence"] = message.epoch, message.sequence % 2**32
    return header


def _static(message: StaticMessage) -> list[bytes]:
    header = _header(layout.STATIC, Kind.STATIC, message)
    model = message.body_model.encode("ascii", "replace")
    if not 0 < len(model) <= layout.STATIC["body_model"].itemsize:
        raise WireError(f"body model identity {message.body_model!r} must be 1 to 64 ASCII characters")
    header["monotonic_anchor_ns"], header["wall_anchor_ns"] = message.monotonic_anchor_ns, message.wall_anchor_ns
    header["expiry_ms"], header["state"] = message.expiry_ms, message.state
    header["num_joints"], header["num_betas"] = layout.NUM_JOINTS, layout.NUM_BETAS
    header["mesh_level"] = -1 if message.mesh_level is None else message.mesh_level
    header["mesh_vertices"], header["body_model"] = message.mesh_vertices, model
    names = ",".join(message.joint_names).encode("ascii")
    header["names_bytes"] = len(names)
    return [layout.topic(Kind.STATIC, message.stream), header.tobytes(), names]


def _geometry(message: GeometryMessage) -> list[bytes]:
    header = _header(layout.GEOMETRY, Kind.GEOMETRY, message)
    header["level"], header["parents"] = message.level, message.parents
    header["num_joints"], header["num_betas"] = layout.NUM_JOINTS, layout.NUM_BETAS
    header["vertices"], header["faces"] = len(message.template), len(message.faces)
    return [
        layout.topic(Kind.GEOMETRY, message.stream),
        header.tobytes(),
        message.template.astype("<f4").tobytes(),
        message.faces.astype("<u4").tobytes(),
        message.joints_rest.astype("<f4").tobytes(),
        message.joints_shapedirs.astype("<f4").tobytes(),
    ]


def _frame(message: FrameMessage) -> list[bytes]:
    if len(message.bodies) > layout.MAX_BODIES:
        raise WireError(f"frame has {len(message.bodies)} bodies, at most {layout.MAX_BODIES} fit into one message")
    meshes = [body.mesh for body in message.bodies if body.mesh is not None]
    if meshes and len(meshes) != len(message.bodies):
        raise WireError("either all bodies of a frame carry a mesh or none")
    header = _header(layout.FRAME, Kind.FRAME, message)
    header["capture_ns"], header["publish_us"] = message.capture_ns, min(max(message.publish_us, 0), 2**32 - 1)
    header["frame"], header["pts_ms"] = message.frame % 2**32, message.pts_ms % 2**32
    header["image_size"], header["camera"] = message.image_size, message.camera
    header["bodies"] = len(message.bodies)
    header["flags"] = message.camera_assumed * layout.FLAG_CAMERA_ASSUMED + bool(meshes) * layout.FLAG_MESHES
    parts = [layout.topic(Kind.FRAME, message.stream), header.tobytes(), _bodies(message.bodies)]
    return parts + [_mesh(body.track_id, mesh) for body, mesh in zip(message.bodies, meshes, strict=False)]


def _bodies(bodies: tuple[WireBody, ...]) -> bytes:
    if not bodies:
        return b""
    records = np.zeros(len(bodies), layout.BODY)
    for record, body in zip(records, bodies, strict=True):
        if not np.all(np.isfinite(body.translation)):
            raise WireError(f"translation of body {body.track_id} is {body.translation}, it must be finite metres")
        record["track_id"], record["translation"] = body.track_id, body.translation
        record["score"], record["quality"] = map(quantise.pack_fraction, (body.score, body.quality))
    records["rotations"] = quantise.pack_quaternions(np.stack([body.rotations for body in bodies]))
    records["betas"] = quantise.pack_betas(np.stack([body.betas for body in bodies]))
    return records.tobytes()


def _mesh(track_id: int, vertices: np.ndarray) -> bytes:
    header = np.zeros((), layout.MESH)
    header["track_id"], header["vertices"] = track_id, len(vertices)
    header["centre"], header["step"], units = quantise.pack_vertices(vertices)
    return header.tobytes() + units.tobytes()


def _retire(message: RetireMessage) -> list[bytes]:
    header = _header(layout.RETIRE, Kind.RETIRE, message)
    header["reason"], header["ids"] = message.reason, len(message.track_ids)
    ids = np.array(message.track_ids, "<u4")
    return [layout.topic(Kind.RETIRE, message.stream), header.tobytes(), ids.tobytes()]


def _volume(message: VolumeMessage) -> list[bytes]:
    if len(message.vertices) > layout.MAX_VERTICES or len(message.faces) > layout.MAX_FACES:
        raise WireError(
            f"surface has {len(message.vertices)} vertices and {len(message.faces)} faces, "
            f"at most {layout.MAX_VERTICES} and {layout.MAX_FACES} fit into one message"
        )
    header = _header(layout.VOLUME, Kind.VOLUME, message)
    header["capture_ns"], header["frame"] = message.capture_ns, message.frame % 2**32
    header["track_id"] = message.track_id
    header["vertices"], header["faces"] = len(message.vertices), len(message.faces)
    header["centre"], header["step"], units = quantise.pack_vertices(message.vertices)
    faces = message.faces.astype("<u4").tobytes()
    return [layout.topic(Kind.VOLUME, message.stream), header.tobytes(), units.tobytes(), faces]
