"""A video file: every frame, in order, with the timestamps of the file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av

from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.sources.container import open_container, reason
from pipeline.sources.device_frames import upright_picture
from pipeline.types import Frame

_NOT_VIDEO = {"tty", "bin", "xbin", "adf", "idf"}
"""Demuxers of text art: FFmpeg would play any text file with them."""


def create(rest: str, options: SourceOptions) -> FileSource:
    return FileSource(rest, options)


class FileSource(Source):
    """Decodes the first video stream of a file with PyAV, on several threads."""

    delivery = Delivery.BLOCK

    def __init__(self, path: str, options: SourceOptions) -> None:
        super().__init__(path, options)
        self._path = Path(path)
        self._container: av.container.InputContainer | None = None
        self._index = 0
        self._packets = 0
        self._last_pts_s = float("nan")
        self._started_s: float | None = None

    def _open(self) -> None:
        if not self._path.is_file():
            raise SourceError(f"{self._path}: there is no such file; check the path")
        if self._path.stat().st_size == 0:
            raise SourceError(f"{self._path}: the file is empty; was it copied completely?")
        self._container = open_container(
            str(self._path),
            hwaccel=self.options.hwaccel,
            device=self.options.device,
            shown_as=str(self._path),
            hint="it is no video, or it was cut off before its index was written",
        )
        streams = [s for s in self._container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams or _NOT_VIDEO & set(self._container.format.name.split(",")):
            raise SourceError(f"{self._path}: there is no video in this file ({self._container.format.long_name})")
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = self.options.threads
        self.fps = float(self._stream.average_rate or 0)
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            raise SourceError(
                f"{self._path}: not one picture of this video can be decoded ({self.skipped} packets failed)"
            )

    def _next(self) -> Frame | None:
        frame, opened_with = self._first or next(self._frames, None), self._first is not None
        self._first = None
        if frame is None:
            if not self._stop.is_set():
                self._check_complete()
            return None
        if self.options.realtime:
            self._pace(frame.pts_s)
        if self.options.realtime or opened_with:  # it was decoded long before it counts as captured
            frame = replace(frame, capture_ns=time.monotonic_ns())
        return frame

    def _release(self) -> None:
        # The container is left to the garbage collector: closing it here would pull it from under a decode in
        # another thread.
        self._container = None

    def _decode(self) -> Iterator[Frame]:
        assert self._container is not None
        for packet in self._container.demux(self._stream):
            if self._stop.is_set():
                return
            self._packets += packet.size > 0
            try:
                pictures = packet.decode()
            except av.FFmpegError as error:
                self.skip(
                    f"packet {self._packets} at {float((packet.pts or 0) * self._time_base):.2f} s", reason(error)
                )
                continue
            for picture in pictures:
                yield self._frame(picture)

    @property
    def _time_base(self) -> float:
        return float(self._stream.time_base or 1)

    def _frame(self, picture: av.VideoFrame) -> Frame:
        image = upright_picture(picture, self.options.device)
        if picture.time is not None:
            pts_s = picture.time
        else:  # some AVI and raw streams have none: go on at the nominal rate
            rate = float(self._stream.average_rate or 30)
            pts_s = self._last_pts_s + 1 / rate if self._index else 0.0
        frame = Frame(
            stream=self.stream,
            index=self._index,
            image=image,
            capture_ns=time.monotonic_ns(),
            pts_s=pts_s,
            intrinsics=self.options.camera.for_size(image.shape[1], image.shape[0]),
        )
        self._index += 1
        self._last_pts_s = pts_s
        return frame

    def _check_complete(self) -> None:
        """Raise SourceError if the file announced clearly more than it held."""
        announced = self._stream.frames
        if announced and self._packets < 0.98 * announced - 2:
            raise SourceError(
                f"{self._path}: the file ends early: it announces {announced} frames and holds {self._packets}; "
                f"the {self._index} frames before the end were processed"
            )
        if announced or self._container is None or not self._container.duration:
            return
        end_s = (self._container.start_time or 0) / av.time_base + self._container.duration / av.time_base
        if self._last_pts_s < end_s - max(1.0, 0.05 * end_s):
            raise SourceError(
                f"{self._path}: the file ends early: it announces {end_s:.1f} s and its last picture is at "
                f"{self._last_pts_s:.1f} s; the {self._index} frames before the end were processed"
            )

    def _pace(self, pts_s: float) -> None:
        """Wait until the frame is due, counted from the first one."""
        now = time.monotonic()
        if self._started_s is None:
            self._started_s = now - pts_s
        self._stop.wait(max(0.0, self._started_s + pts_s - now))
