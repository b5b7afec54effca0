"""`log:PATH.mcap`: a recorded pose log as a stream. Its bodies are published again as they are, nothing is estimated.

log:run.mcap                     at the pace at which it was recorded
log:run.mcap?speed=4             four times as fast; 0: as fast as possible
log:run.mcap?stream=door         one stream of a log that holds several
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl

from mcap.records import Metadata

from pipeline.errors import SourceError
from pipeline.log import LogError, LogScan, iter_frames, result_of
from pipeline.log_format import CAMERA_RECORD, FrameMessage
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.types import Frame

MAX_PAUSE_S = 5.0
"""A longer gap between two frames of a log is not waited for."""


def create(rest: str, options: SourceOptions) -> LogSource:
    path, _, query = rest.partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    try:
        speed = float(values.pop("speed", 1))
        if not 0 <= speed <= 1000:
            raise ValueError(f"speed is {speed}, it must be 0 (as fast as possible) to 1000")
        stream = values.pop("stream", None)
        if values:
            raise ValueError(f"unknown key {next(iter(values))!r}; it takes speed and stream")
    except ValueError as error:
        raise SourceError(f"source log:{rest}: {error}") from error
    return LogSource(path, options, speed=speed, recorded_stream=stream)


class LogSource(Source):
    """Frames of one recorded stream; their picture is black, their `bodies` are those of the log."""

    delivery = Delivery.BLOCK
    knows_bodies = True

    def __init__(self, path: str, options: SourceOptions, *, speed: float, recorded_stream: str | None) -> None:
        super().__init__(f"log:{path}", options)
        self._path, self._speed, self._recorded_stream = path, speed, recorded_stream
        self._due_s = 0.0
        self._last: FrameMessage | None = None

    @property
    def paced(self) -> bool:
        return self._speed > 0

    def _open(self) -> None:
        try:
            self._assumed = {
                record.metadata["stream"]: record.metadata.get("assumed") == "true"
                for record in LogScan(self._path)
                if isinstance(record, Metadata) and record.name == CAMERA_RECORD
            }
        except LogError as error:
            raise SourceError(str(error)) from error
        streams = sorted(self._assumed)
        if not streams:
            raise SourceError(f"{self.spec}: there is no frame in this log")
        if self._recorded_stream is None and len(streams) > 1:
            raise SourceError(f"{self.spec}: it holds the streams {', '.join(streams)}; choose one with ?stream=NAME")
        self._recorded_stream = self._recorded_stream or streams[0]
        if self._recorded_stream not in streams:
            raise SourceError(f"{self.spec}: it holds no stream {self._recorded_stream!r} but {', '.join(streams)}")
        self._messages: Iterator[FrameMessage] = iter_frames(self._path)

    def _next(self) -> Frame | None:
        message = next((m for m in self._messages if m.stream == self._recorded_stream), None)
        if message is None or not self._is_due(message):
            return None
        recorded = result_of(message)
        camera = replace(recorded.frame.intrinsics, assumed=self._assumed[message.stream])
        # Captured now: what listens measures its latency from here. Bodies keep the times of the recording.
        return replace(
            recorded.frame,
            stream=self.stream,
            capture_ns=time.monotonic_ns(),
            intrinsics=camera,
            bodies=recorded.bodies,
        )

    def _is_due(self, message: FrameMessage) -> bool:
        """Wait for the moment of a frame; False if the source was closed meanwhile."""
        if self._speed == 0:
            return not self._stop.is_set()
        now_s = time.monotonic()
        pause_s = (message.timestamp_ns - self._last.timestamp_ns) / 1e9 if self._last else 0.0
        self._due_s = max(self._due_s or now_s, now_s - MAX_PAUSE_S) + min(max(pause_s, 0.0), MAX_PAUSE_S) / self._speed
        self._last = message
        return not self._stop.wait(max(0.0, self._due_s - now_s))
