"""Cameras: V4L2 devices (`webcam:0`) and network streams (`rtsp://`, `http://`). The newest frame counts."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.codec.context import Flags

from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.sources.container import open_container, reason
from pipeline.sources.decode import display_matrix, to_rgb, upright
from pipeline.sources.registry import redact
from pipeline.types import Frame

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 10.0


def create(rest: str, options: SourceOptions) -> LiveSource:
    if "://" in rest:
        scheme = rest.partition(":")[0]
        settings = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        return LiveSource(rest, redact(rest), None, settings, options)
    if not sys.platform.startswith("linux"):
        raise SourceError(f"source webcam:{rest}: webcams are read through V4L2, which is Linux only; use rtsp://")
    device = f"/dev/video{rest}" if rest.isdigit() else rest
    if not Path(device).exists():
        found = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "none"
        raise SourceError(f"source webcam:{rest}: there is no device {device}; devices found: {found}")
    return LiveSource(device, f"webcam:{rest}", "v4l2", {}, options)


class LiveSource(Source):
    """Decodes with as little delay as FFmpeg allows; a lost connection fails the source."""

    delivery = Delivery.LATEST

    def __init__(
        self, address: str, spec: str, demuxer: str | None, settings: dict[str, str], options: SourceOptions
    ) -> None:
        super().__init__(spec, options)
        self._address, self._demuxer, self._settings = address, demuxer, settings
        self._index = 0
        self._container: av.container.InputContainer | None = None

    def _open(self) -> None:
        self._container = open_container(
            self._address,
            hwaccel=self.options.hwaccel,
            shown_as=self.spec,
            hint="is the camera on, free and reachable?",
            format=self._demuxer,
            options=self._settings,
            timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
        )
        if not self._container.streams.video:
            raise SourceError(f"{self.spec}: there is no video in this stream")
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"  # frame threads would each hold back a frame
        stream.codec_context.flags |= Flags.low_delay
        self.fps = float(stream.average_rate or 0)
        self._pictures = self._decode()

    def _next(self) -> Frame | None:
        while not self._stop.is_set():
            try:
                picture = next(self._pictures)
            except StopIteration:
                raise SourceError(f"{self.spec}: the stream has ended") from None
            except av.InvalidDataError as error:
                self.skip(f"frame after {self._index}", reason(error))
                self._pictures = self._decode()
                continue
            except (av.FFmpegError, OSError) as error:
                raise SourceError(f"{self.spec}: the connection broke ({reason(error)})") from error
            image = upright(display_matrix(picture))(to_rgb(picture))
            self._index += 1
            now_ns = time.monotonic_ns()
            return Frame(
                stream=self.stream,
                index=self._index - 1,
                image=image,
                capture_ns=now_ns,
                pts_s=picture.time if picture.time is not None else now_ns / 1e9,
                intrinsics=self.options.camera.for_size(image.shape[1], image.shape[0]),
            )
        return None

    def _decode(self) -> Iterator[av.VideoFrame]:
        """The pictures from here on; a decoder that raised needs a new one."""
        container = self._container
        return iter(()) if container is None else container.decode(container.streams.video[0])

    def _release(self) -> None:
        self._container = None
