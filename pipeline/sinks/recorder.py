"""Sink that records the pose log: MCAP, zstd chunks, on disk within a second, readable after kill -9.

Three things may go wrong with a disk (full, read-only, slow) and none of them reaches the stream: `write` only encodes
into memory; a thread of its own closes the chunk every half second and writes it out. Up to `max_pending_bytes` wait
for the disk, nothing is lost until then. Beyond that, frames are dropped, counted, said once per outage by an error
message, and noted as an event in the log itself as soon as the disk takes bytes again.
"""

from __future__ import annotations

import glob
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcap.writer import CompressionType, Writer

from engines.keypoints import JOINT_NAMES, POINT_NAMES
from pipeline.errors import OutputError
from pipeline.log_format import (
    BODIES_TOPIC,
    CAMERA_RECORD,
    CLOCK_RECORD,
    EVENTS_TOPIC,
    SKELETON_RECORD,
    EventMessage,
    FrameMessage,
    bodies_schema,
    camera_record,
    encode_event,
    encode_frame,
    events_schema,
)
from pipeline.sinks.log_file import LogFile
from pipeline.surface_log import SURFACES_TOPIC, SurfacesMessage, encode_surfaces, has_surfaces, surfaces_schema
from pipeline.types import Frame, FrameResult

FLUSH_INTERVAL_S = 0.5
"""Half of the second that a killed process may lose: the other half is for the write itself."""
MAX_PENDING_BYTES = 16 << 20
MAX_FLUSHES = 43_200
"""Of one file, six hours at two a second: the index of its chunks lies in memory until it is finished, half a kilobyte
for each."""
MAX_WAITING_STATES = 256
"""States of sources that wait for the disk; older ones go."""
CLOSE_GRACE_S = 2.0
"""How long `close` keeps trying to get the rest onto a disk that refuses."""

_log = logging.getLogger(__name__)


class RecorderError(OutputError):
    """The log file cannot be created."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderCounters:
    """What a recorder has done so far."""

    frames_written: int
    frames_dropped: int
    bytes_written: int
    pending_bytes: int
    stalled: bool
    """True while the disk refuses bytes."""
    segments: int


class Recorder:
    """Sink of the pose log. Several streams may share one recorder; `write` and `close` are called on one thread."""

    name = "record"
    wants_pictures = False

    def __init__(
        self,
        path: str | Path,
        *,
        metadata: Mapping[str, str],
        rotate_bytes: int = 0,
        rotate_s: float = 0.0,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        flush_interval_s: float = FLUSH_INTERVAL_S,
        max_flushes: int = MAX_FLUSHES,
    ) -> None:
        """Create ``path`` (and its folder); raises RecorderError where that is impossible.

        metadata: the `skeleton` record, see `pipeline.log_format.skeleton_record`.
        rotate_bytes, rotate_s: begin a new file STEM.0001.mcap, STEM.0002.mcap ... after so many bytes of finished
        chunks or seconds of capture time; 0 keeps one file for six hours (`MAX_FLUSHES`), then goes on in the next, so
        that memory stays bounded. Where logs rotate, none is overwritten: a recorder that starts again goes on after
        the highest number it finds.
        """
        if not 0 < flush_interval_s <= 1:
            raise ValueError(f"flush_interval_s is {flush_interval_s}, a log must be flushed at least once a second")
        if max_pending_bytes <= 0 or rotate_bytes < 0 or rotate_s < 0:
            raise ValueError(
                f"max_pending_bytes is {max_pending_bytes}, rotate_bytes {rotate_bytes}, rotate_s {rotate_s}: "
                "the first must be positive, the others 0 (off) or positive"
            )
        self.path = Path(path)
        self._metadata = {"joint_names": ",".join(JOINT_NAMES), "keypoint_names": ",".join(POINT_NAMES), **metadata}
        self._rotate_bytes, self._rotate_ns = rotate_bytes, round(rotate_s * 1e9)
        self._max_pending_bytes = max_pending_bytes
        self._flush_interval_s, self._max_flushes = flush_interval_s, max_flushes
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._surfaces_channel: int | None = None
        self._frames_written = self._frames_dropped = self._bytes_written = self._segments = 0
        self._unreported: dict[tuple[str, str], int] = {}
        self._states: deque[EventMessage] = deque(maxlen=MAX_WAITING_STATES)
        self._last_capture_ns = 0
        self._stall: OSError | None = None
        self._files: list[LogFile] = []
        self._closed = False
        self._first_number = _next_number(self.path) if rotate_bytes or rotate_s else 0
        self._start_segment()
        try:
            self._files[0].open()
        except OSError as error:
            raise RecorderError(
                f"cannot record to {self.path}: {error.strerror or error}; choose a folder you may write to"
            ) from error
        self._thread = threading.Thread(target=self._run, name=f"recorder {self.path.name}", daemon=True)
        self._thread.start()

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """What must live until `close`."""
        return (self._thread,)

    @property
    def counters(self) -> RecorderCounters:
        """A snapshot; safe on any thread."""
        with self._lock:
            return RecorderCounters(
                frames_written=self._frames_written,
                frames_dropped=self._frames_dropped,
                bytes_written=self._bytes_written,
                pending_bytes=self._pending_bytes(),
                stalled=self._stall is not None,
                segments=self._segments,
            )

    def write(self, result: FrameResult) -> None:
        """Record one processed frame; never waits for the disk."""
        data, invalid_bodies = encode_frame(result)
        surfaces = encode_surfaces(result) if has_surfaces(result) else b""
        frame = result.frame
        with self._lock:
            if self._closed:
                raise ValueError(f"the recorder of {self.path} is closed, it takes no more frames")
            self._last_capture_ns = frame.capture_ns
            if invalid_bodies:
                self._note(frame.stream, "invalid_body", invalid_bodies)
            if self._pending_bytes() + len(data) + len(surfaces) > self._max_pending_bytes:
                self._frames_dropped += 1
                self._note(frame.stream, "dropped", 1)
                return
            if self._is_segment_full(frame):
                self._finish_segment()
                self._start_segment()
            if frame.stream not in self._streams:
                self._introduce(frame)
            self._write_events()
            self._writer.add_message(self._bodies_channel, frame.capture_ns, data, frame.capture_ns, self._sequence)
            if surfaces:
                self._write_surfaces(frame, surfaces)
            self._sequence += 1
            self._frames_written += 1

    def note_drops(self, count: int) -> None:
        """Tell the log that ``count`` frames were lost before they came here (a full queue)."""
        with self._lock:
            self._frames_dropped += count
            self._note("", "dropped", count)

    def note_state(self, stream: str, state: str, why: str) -> None:
        """Tell the log that a stream's source is in another state, and why if there is trouble. Safe on any thread."""
        now_ns = time.monotonic_ns()
        event = EventMessage(stream, now_ns, "state", 1, f"{state}: {why}" if why else state)
        with self._lock:
            self._states.append(event)

    def report(self) -> dict[str, object]:
        """Figures for the run's summary."""
        counters = self.counters
        return {
            "path": str(self.path),
            "frames": counters.frames_written,
            "frames_lost": counters.frames_dropped,
            "bytes": counters.bytes_written,
            "bytes_lost": counters.pending_bytes,
            "files": counters.segments,
        }

    def close(self) -> None:
        """Write the rest and the index. A disk that refuses gets two seconds; what is on it stays readable."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._write_events(closing=True)
            self._finish_segment()
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + CLOSE_GRACE_S
        while not self._drain() and time.monotonic() < deadline:
            time.sleep(0.1)
        lost = self._pending_bytes()
        for file in self._files:
            file.close()
        if lost:
            _log.error("%s is cut: %d bytes could not be written (%s)", self.path, lost, self._stall)

    def _run(self) -> None:
        while not self._stop.wait(self._flush_interval_s):
            with self._lock:
                if not self._closed:
                    self._write_events()
                    self._writer.flush()
                    self._flushes += 1
            self._drain()

    def _drain(self) -> bool:
        """Bring pending bytes to the disk, oldest file first; False where the disk refuses."""
        try:
            while True:
                written = self._files[0].drain()
                with self._lock:
                    self._bytes_written += written
                    if len(self._files) == 1:
                        break
                    finished = self._files.pop(0)
                finished.close()  # outside the lock: it waits for the disk
        except OSError as error:
            if self._stall is None:
                _log.error(
                    "recording to %s has stopped: %s. Up to %d MiB are kept in memory, then frames are dropped",
                    self._files[0].path, error.strerror or error, self._max_pending_bytes >> 20,
                )  # fmt: skip
            self._stall = error
            return False
        if self._stall is not None:
            self._stall = None
            _log.warning("recording to %s goes on; %d frames dropped so far", self.path, self._frames_dropped)
        return True

    def _pending_bytes(self) -> int:
        return sum(file.pending_bytes for file in self._files)

    def _note(self, stream: str, kind: str, count: int) -> None:
        key = (stream, kind)
        self._unreported[key] = self._unreported.get(key, 0) + count

    def _write_events(self, *, closing: bool = False) -> None:
        disk_refuses = self._pending_bytes() > self._max_pending_bytes // 2
        if disk_refuses and not closing:
            return  # one event per outage is enough
        while self._states:
            event = self._states.popleft()
            self._writer.add_message(self._events_channel, event.timestamp_ns, encode_event(event), event.timestamp_ns)
        for (stream, kind), count in self._unreported.items():
            message = _EVENT_TEXT[kind].format(count=count)
            event = EventMessage(stream, self._last_capture_ns, kind, count, message)
            time_ns = self._last_capture_ns
            self._writer.add_message(self._events_channel, time_ns, encode_event(event), time_ns)
        self._unreported.clear()

    def _write_surfaces(self, frame: Frame, data: bytes) -> None:
        if self._surfaces_channel is None:
            schema = self._writer.register_schema(SurfacesMessage.__name__, "jsonschema", surfaces_schema())
            self._surfaces_channel = self._writer.register_channel(SURFACES_TOPIC, "json", schema)
        self._writer.add_message(self._surfaces_channel, frame.capture_ns, data, frame.capture_ns, self._sequence)

    def _is_segment_full(self, frame: Frame) -> bool:
        if (self._rotate_bytes and self._files[-1].tell() >= self._rotate_bytes) or self._flushes >= self._max_flushes:
            return True
        first_ns = self._segment_first_ns
        return bool(self._rotate_ns and first_ns is not None and frame.capture_ns - first_ns >= self._rotate_ns)

    def _start_segment(self) -> None:
        if self._segments == 1 and not self._first_number:
            self._first_number = _next_number(self.path) - 1
        path, number = self.path, self._first_number + self._segments
        if number:
            path = path.with_name(f"{path.stem}.{number:04d}{path.suffix}")
        self._segments += 1
        self._sequence = self._flushes = 0
        self._streams: set[str] = set()
        self._segment_first_ns: int | None = None
        self._files.append(LogFile(path))
        self._writer = Writer(self._files[-1], compression=CompressionType.ZSTD)  # type: ignore[arg-type]
        self._writer.start(profile="", library="bodystream")
        clock = {"monotonic_ns": str(time.monotonic_ns()), "unix_ns": str(time.time_ns())}
        self._writer.add_metadata(CLOCK_RECORD, clock)
        schema = self._writer.register_schema(FrameMessage.__name__, "jsonschema", bodies_schema())
        self._bodies_channel = self._writer.register_channel(BODIES_TOPIC, "json", schema)
        schema = self._writer.register_schema(EventMessage.__name__, "jsonschema", events_schema())
        self._events_channel = self._writer.register_channel(EVENTS_TOPIC, "json", schema)
        self._surfaces_channel = None

    def _introduce(self, frame: Frame) -> None:
        """Write the metadata that the first frame of a stream settles."""
        if not self._streams:
            self._segment_first_ns = frame.capture_ns
            assumed = "true" if frame.intrinsics.assumed else "false"
            self._writer.add_metadata(SKELETON_RECORD, {"camera_assumed": assumed, **self._metadata})
        self._streams.add(frame.stream)
        self._writer.add_metadata(CAMERA_RECORD, camera_record(frame))

    def _finish_segment(self) -> None:
        if not self._streams:
            self._writer.add_metadata(SKELETON_RECORD, dict(self._metadata))
        self._writer.finish()


def _next_number(path: Path) -> int:
    """The number after those of the segments that are there: 0 if there are none, 1 after `path` itself."""
    found = [-1 if not path.exists() else 0]
    for other in path.parent.glob(f"{glob.escape(path.stem)}.*{path.suffix}"):
        number = other.name[len(path.stem) + 1 : len(other.name) - len(path.suffix)]
        found += [int(number)] if number.isdecimal() else []
    return max(found) + 1


_EVENT_TEXT = {
    "dropped": "{count} frames are missing here: the disk did not keep up",
    "invalid_body": "{count} bodies with numbers that are not finite were left out",
}
