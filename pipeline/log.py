"""Reader of pose logs. It takes a log that was cut anywhere, or has damaged chunks, and gives what can be read."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, Footer, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from mcap.writer import CompressionType, Writer

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from pipeline.errors import BodystreamError
from pipeline.log_format import (
    BODIES_TOPIC,
    CAMERA_RECORD,
    EVENTS_TOPIC,
    QUALITY_UNKNOWN,
    SKELETON_RECORD,
    BodyMessage,
    EventMessage,
    FrameMessage,
)
from pipeline.types import Frame, FrameResult, TrackedBody

_DAMAGE = (McapError, struct.error, zstandard.ZstdError, ValueError, EOFError, KeyError, OverflowError, MemoryError)
"""What the mcap library raises on bytes that are missing or wrong."""
_MAGIC = b"\x89MCAP0\r\n"


class LogError(BodystreamError):
    """A file that is not a pose log, or cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseLog:
    """A whole log in memory."""

    path: Path
    metadata: dict[str, str]
    """The `skeleton` record."""
    cameras: dict[str, dict[str, str]]
    """Stream -> its `camera` record."""
    frames: tuple[FrameMessage, ...]
    """In the order of recording; streams interleave."""
    events: tuple[EventMessage, ...]
    complete: bool
    """False where the end is missing: the recording process was killed, or the disk was full."""
    damaged_chunks: int
    """Chunks whose checksum was wrong; their frames are missing."""

    @property
    def joint_names(self) -> tuple[str, ...]:
        return tuple(self.metadata.get("joint_names", "").split(","))

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        return tuple(self.metadata.get("keypoint_names", "").split(","))


class LogScan:
    """Iterates over the records of a log; afterwards tells whether they were all."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.complete = False
        self.damaged_chunks = 0

    def __iter__(self) -> Iterator[McapRecord]:
        """Schemas, channels, metadata and messages in file order. Raises LogError if this is no MCAP file at all."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise LogError(f"cannot open the log {self.path}: {error.strerror}; check the path") from error
        with file:
            size = os.fstat(file.fileno()).st_size
            if file.read(len(_MAGIC)) != _MAGIC[:size]:
                raise LogError(f"{self.path} is not a pose log: it does not begin as an MCAP file does")
            file.seek(0)
            records = StreamReader(file, emit_chunks=True, record_size_limit=size).records
            try:
                for record in records:
                    if isinstance(record, Chunk):
                        yield from self._inside(record)
                    elif isinstance(record, Schema | Channel | Metadata | Message):
                        yield record
                    elif isinstance(record, Footer):
                        # The summary repeats what came before; the closing magic is all that may still be missing.
                        file.seek(-len(_MAGIC), os.SEEK_END)
                        self.complete = file.read() == _MAGIC
                        return
            except _DAMAGE:
                return

    def _inside(self, chunk: Chunk) -> list[McapRecord]:
        try:
            return breakup_chunk(chunk, validate_crc=True)
        except _DAMAGE:
            self.damaged_chunks += 1
            return []


def read_log(path: str | Path) -> PoseLog:
    """Read a log of any state. Raises LogError if the file is missing, no MCAP file, or holds something else."""
    scan = LogScan(path)
    metadata: dict[str, str] = {}
    cameras: dict[str, dict[str, str]] = {}
    frames: list[FrameMessage] = []
    events: list[EventMessage] = []
    topics: dict[int, str] = {}
    for record in scan:
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        elif isinstance(record, Metadata) and record.name == SKELETON_RECORD:
            metadata = dict(record.metadata)
        elif isinstance(record, Metadata) and record.name == CAMERA_RECORD:
            cameras[record.metadata["stream"]] = dict(record.metadata)
        elif isinstance(record, Message):
            message = _decode(scan.path, topics.get(record.channel_id), record.data)
            if isinstance(message, FrameMessage):
                frames.append(message)
            elif message is not None:
                events.append(message)
    return PoseLog(
        path=scan.path,
        metadata=metadata,
        cameras=cameras,
        frames=tuple(frames),
        events=tuple(events),
        complete=scan.complete,
        damaged_chunks=scan.damaged_chunks,
    )


def iter_frames(path: str | Path) -> Iterator[FrameMessage]:
    """The frames of a log one by one, in constant memory. Raises as `read_log`."""
    scan = LogScan(path)
    topics: dict[int, str] = {}
    for record in scan:
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        elif isinstance(record, Message) and topics.get(record.channel_id) == BODIES_TOPIC:
            message = _decode(scan.path, BODIES_TOPIC, record.data)
            assert isinstance(message, FrameMessage)
            yield message


def result_of(message: FrameMessage) -> FrameResult:
    """A logged frame as the result that was recorded, to replay it; the picture is black and occupies no memory."""
    width, height = message.image_size
    camera = message.camera
    frame = Frame(
        stream=message.stream,
        index=message.frame,
        image=np.broadcast_to(np.uint8(0), (height, width, 3)),
        capture_ns=message.timestamp_ns,
        pts_s=message.pts_s,
        intrinsics=Intrinsics(fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy),
    )
    return FrameResult(frame=frame, bodies=tuple(body_of(body) for body in message.bodies))


def body_of(message: BodyMessage) -> TrackedBody:
    """A logged body with its arrays."""
    estimate = BodyEstimate(
        pose=np.array(message.pose, np.float32),
        betas=np.array(message.betas, np.float32),
        translation=np.array(message.translation, np.float32),
        joints=np.array(message.joints_3d, np.float32),
        points_px=np.array(message.keypoints_2d, np.float32),
        score=message.score,
        quality=float("nan") if message.quality == QUALITY_UNKNOWN else message.quality,
    )
    box = np.array(message.box_xyxy, np.float32)
    return TrackedBody(track_id=message.track_id, box_xyxy=box, estimate=estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What `recover_log` found."""

    messages: int
    was_complete: bool
    damaged_chunks: int


def recover_log(
    source: str | Path, target: str | Path, change: Callable[[FrameMessage], FrameMessage] | None = None
) -> Recovery:
    """Copy everything readable of a log into a new, complete one, frames through ``change``. Raises LogError."""
    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise LogError(f"{target} is the log that is read; name another file to write")
    scan = LogScan(source)
    unfinished = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            messages = _copy(scan, Writer(file, compression=CompressionType.ZSTD), change)
        unfinished.replace(target)
    except OSError as error:
        raise LogError(f"cannot write {target}: {error.strerror}; choose a folder you may write to") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
    return Recovery(messages=messages, was_complete=scan.complete, damaged_chunks=scan.damaged_chunks)


def _copy(scan: LogScan, writer: Writer, change: Callable[[FrameMessage], FrameMessage] | None = None) -> int:
    writer.start(profile="", library="bodystream log")
    schemas: dict[int, int] = {0: 0}
    channels: dict[int, int] = {}
    topics: dict[int, str] = {}
    messages = 0
    for record in scan:
        if isinstance(record, Channel):
            topics[record.id] = record.topic
        if isinstance(record, Metadata):
            writer.add_metadata(record.name, record.metadata)
        elif isinstance(record, Schema) and record.id not in schemas:
            schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
        elif isinstance(record, Channel) and record.id not in channels:
            schema = schemas.get(record.schema_id, 0)
            channels[record.id] = writer.register_channel(
                record.topic, record.message_encoding, schema, record.metadata
            )
        elif isinstance(record, Message) and record.channel_id in channels:
            channel, data = channels[record.channel_id], record.data
            if change is not None and topics[record.channel_id] == BODIES_TOPIC:
                data = msgspec.json.encode(change(_FRAME.decode(data)))
            writer.add_message(channel, record.log_time, data, record.publish_time, record.sequence)
            messages += 1
    writer.finish()
    return messages


def _decode(path: Path, topic: str | None, data: bytes) -> FrameMessage | EventMessage | None:
    try:
        if topic == BODIES_TOPIC:
            return _FRAME.decode(data)
        if topic == EVENTS_TOPIC:
            return _EVENT.decode(data)
    except msgspec.MsgspecError as error:
        raise LogError(f"{path}: a message on {topic} does not fit the pose log's format ({error})") from error
    return None


_FRAME = msgspec.json.Decoder(FrameMessage)
_EVENT = msgspec.json.Decoder(EventMessage)
