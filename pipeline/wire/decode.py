"""Multipart bytes to messages. Trusts nothing: whatever the bytes are, the answer is a message or a WireError."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.wire import layout, quantise
from pipeline.wire.layout import Kind, RetireReason, SourceState, WireError
from pipeline.wire.messages import (
    FrameMessage,
    GeometryMessage,
    Message,
    RetireMessage,
    StaticMessage,
    VolumeMessage,
    WireBody,
)


def decode(parts: Sequence[bytes]) -> Message:
    """The message in [topic, header, payload...]. Raises WireError for everything that is not one."""
    if len(parts) < 2:
        raise WireError(f"message has {len(parts)} parts, it needs a topic and a header")
    kind, stream = layout.parse_topic(parts[0])
    common = _record(parts[1][: layout.COMMON.itemsize], layout.COMMON, "header")
    if common["magic"] != layout.MAGIC or common["version"] != layout.VERSION:
        raise WireError(f"header starts with {parts[1][:3]!r}; this reader knows version {layout.VERSION} alone")
    if common["kind"] != kind:
        raise WireError(f"header is of kind {common['kind']}, its topic says {kind.name.lower()}")
    envelope = {"stream": stream, "epoch": int(common["epoch"]), "sequence": int(common["sequence"])}
    if kind is Kind.STATIC:
        return _static(parts, envelope)
    if kind is Kind.GEOMETRY:
        return _geometry(parts, envelope)
    if kind is Kind.VOLUME:
        return _volume(parts, envelope)
    return _frame(parts, envelope) if kind is Kind.FRAME else _retire(parts, envelope)


def _record(data: bytes, dtype: np.dtype, what: str) -> np.void:
    if len(data) != dtype.itemsize:
        raise WireError(f"{what} has {len(data)} bytes, its layout has {dtype.itemsize}")
    return np.frombuffer(data, dtype)[0]


def _array(data: bytes, dtype: str | np.dtype, shape: tuple[int, ...], what: str) -> np.ndarray:
    expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if len(data) != expected:
        raise WireError(f"{what} has {len(data)} bytes, its header announces {expected}")
    return np.frombuffer(data, dtype).reshape(shape)


def _count(parts: Sequence[bytes], expected: int) -> None:
    if len(parts) != expected:
        raise WireError(f"message has {len(parts)} parts, its header announces {expected}")


def _limit(value: np.integer, limit: int, what: str) -> int:
    if value > limit:
        raise WireError(f"header announces {value} {what}, the limit is {limit}")
    return int(value)


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    if not np.all(np.isfinite(values)):
        raise WireError(f"{what} is not finite")
    return values


def _sizes(header: np.void) -> None:
    if header["num_joints"] != layout.NUM_JOINTS or header["num_betas"] != layout.NUM_BETAS:
        raise WireError(f"{header['num_joints']} joints and {header['num_betas']} betas; version 1 has 24 and 10")


def _static(parts: Sequence[bytes], envelope: dict) -> StaticMessage:
    _count(parts, 3)
    header = _record(parts[1], layout.STATIC, "static header")
    _sizes(header)
    _array(parts[2], "u1", (header["names_bytes"],), "joint names")
    try:
        model, names = bytes(header["body_model"]).decode("ascii"), bytes(parts[2]).decode("ascii").split(",")
        state = SourceState(int(header["state"]))
    except ValueError as error:
        raise WireError(f"static message: {error}") from error
    if len(names) != layout.NUM_JOINTS:
        raise WireError(f"static message names {len(names)} joints, it must name {layout.NUM_JOINTS}")
    return StaticMessage(
        **envelope,
        monotonic_anchor_ns=int(header["monotonic_anchor_ns"]),
        wall_anchor_ns=int(header["wall_anchor_ns"]),
        expiry_ms=int(header["expiry_ms"]),
        state=state,
        mesh_level=None if header["mesh_level"] < 0 else int(header["mesh_level"]),
        mesh_vertices=_limit(header["mesh_vertices"], layout.MAX_VERTICES, "vertices"),
        body_model=model,
        joint_names=tuple(names),
    )


def _geometry(parts: Sequence[bytes], envelope: dict) -> GeometryMessage:
    _count(parts, 6)
    header = _record(parts[1], layout.GEOMETRY, "geometry header")
    _sizes(header)
    vertices = _limit(header["vertices"], layout.MAX_VERTICES, "vertices")
    faces = _array(parts[3], "<u4", (_limit(header["faces"], layout.MAX_FACES, "faces"), 3), "faces")
    if faces.size and faces.max() >= vertices:
        raise WireError(f"a face names vertex {faces.max()}, there are {vertices}")
    parents = tuple(int(p) for p in header["parents"])
    if any(not -1 <= parent < joint for joint, parent in enumerate(parents)):
        raise WireError("a joint's parent must come before it")
    joints = layout.NUM_JOINTS
    return GeometryMessage(
        **envelope,
        level=int(header["level"]),
        parents=parents,
        template=_finite(_array(parts[2], "<f4", (vertices, 3), "template"), "template"),
        faces=faces,
        joints_rest=_finite(_array(parts[4], "<f4", (joints, 3), "rest joints"), "rest joints"),
        joints_shapedirs=_finite(
            _array(parts[5], "<f4", (joints, 3, layout.NUM_BETAS), "joint shape directions"), "joint shape directions"
        ),
    )


def _frame(parts: Sequence[bytes], envelope: dict) -> FrameMessage:
    if len(parts) < 3:
        raise WireError(f"frame message has {len(parts)} parts, it needs at least 3")
    header = _record(parts[1], layout.FRAME, "frame header")
    count = _limit(header["bodies"], layout.MAX_BODIES, "bodies")
    has_meshes = bool(header["flags"] & layout.FLAG_MESHES)
    _count(parts, 3 + count * has_meshes)
    records = _array(parts[2], layout.BODY, (count,), "body records")
    _finite(records["translation"], "a translation")
    camera = _finite(header["camera"], "the camera")
    if not (camera[:2] > 0).all():
        raise WireError(f"focal lengths are {camera[0]}, {camera[1]}, they must be positive pixels")
    rotations = quantise.unpack_quaternions(records["rotations"])
    betas = quantise.unpack_betas(records["betas"])
    meshes: list[np.ndarray | None] = [None] * count
    for i, data in enumerate(parts[3:]):
        meshes[i] = _mesh(data, records[i]["track_id"])
    bodies = tuple(
        WireBody(
            track_id=int(record["track_id"]),
            score=quantise.unpack_fraction(record["score"]),
            quality=quantise.unpack_fraction(record["quality"]),
            translation=record["translation"].copy(),
            rotations=rotations[i],
            betas=betas[i],
            mesh=meshes[i],
        )
        for i, record in enumerate(records)
    )
    return FrameMessage(
        **envelope,
        capture_ns=int(header["capture_ns"]),
        publish_us=int(header["publish_us"]),
        frame=int(header["frame"]),
        pts_ms=int(header["pts_ms"]),
        image_size=(int(header["image_size"][0]), int(header["image_size"][1])),
        camera=(float(camera[0]), float(camera[1]), float(camera[2]), float(camera[3])),
        camera_assumed=bool(header["flags"] & layout.FLAG_CAMERA_ASSUMED),
        bodies=bodies,
    )


def _mesh(data: bytes, track_id: np.integer) -> np.ndarray:
    size = layout.MESH.itemsize
    header = _record(data[:size], layout.MESH, "mesh header")
    if header["track_id"] != track_id:
        raise WireError(f"mesh of body {header['track_id']} stands in the place of body {track_id}")
    count = _limit(header["vertices"], layout.MAX_VERTICES, "vertices")
    units = _array(data[size:], "<i2", (count, 3), "mesh")
    return _vertices(header, units, "mesh")


def _vertices(header: np.void, units: np.ndarray, what: str) -> np.ndarray:
    centre, step = _finite(header["centre"], f"{what} centre"), _finite(header["step"], f"{what} step")
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(quantise.unpack_vertices(centre, step, units), what)


def _retire(parts: Sequence[bytes], envelope: dict) -> RetireMessage:
    _count(parts, 3)
    header = _record(parts[1], layout.RETIRE, "retire header")
    ids = _array(parts[2], "<u4", (_limit(header["ids"], layout.MAX_BODIES, "ids"),), "ids")
    if header["reason"] not in set(RetireReason):
        raise WireError(f"retire reason is {header['reason']}, version 1 knows 0 and 1")
    return RetireMessage(**envelope, reason=RetireReason(int(header["reason"])), track_ids=tuple(int(i) for i in ids))


def _volume(parts: Sequence[bytes], envelope: dict) -> VolumeMessage:
    _count(parts, 4)
    header = _record(parts[1], layout.VOLUME, "volume header")
    vertices = _limit(header["vertices"], layout.MAX_VERTICES, "vertices")
    units = _array(parts[2], "<i2", (vertices, 3), "surface")
    faces = _array(parts[3], "<u4", (_limit(header["faces"], layout.MAX_FACES, "faces"), 3), "faces")
    if faces.size and faces.max() >= vertices:
        raise WireError(f"a face names vertex {faces.max()}, there are {vertices}")
    return VolumeMessage(
        **envelope,
        capture_ns=int(header["capture_ns"]),
        frame=int(header["frame"]),
        track_id=int(header["track_id"]),
        vertices=_vertices(header, units, "surface"),
        faces=faces,
    )
