"""`webcam:0`: a camera at this machine, through V4L2.

webcam:0                                      the first camera, as it likes
webcam:/dev/video2, webcam:"Logi C920"        by path, or by a part of its name
webcam:0?size=1280x720&fps=30&format=mjpeg    asked for; the driver takes the nearest, which is reported
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

from av.container import InputContainer

from pipeline.errors import SourceError
from pipeline.sources.base import LiveOptions, SourceOptions
from pipeline.sources.connection import Connection
from pipeline.sources.live import Dial, LiveSource

log = logging.getLogger(__name__)

DEVICES, NAMES = Path("/dev"), Path("/sys/class/video4linux")


def create(rest: str, options: SourceOptions) -> WebcamSource:
    if not sys.platform.startswith("linux"):
        raise SourceError(f"source webcam:{rest}: webcams are read through V4L2, which is Linux only; use rtsp://")
    camera, _, query = rest.partition("?")
    try:
        live = parse_options(query, options.live)
    except ValueError as error:
        raise SourceError(f"source webcam:{rest}: {error}; for instance webcam:0?size=1280x720&fps=30") from error
    return WebcamSource(camera or "0", replace(options, live=live))


def parse_options(query: str, live: LiveOptions) -> LiveOptions:
    """`size=1280x720&fps=30&format=mjpeg` over what the configuration says. Raises ValueError."""
    changes: dict[str, object] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key == "size":
            width, _, height = value.partition("x")
            changes["size"] = int(width), int(height)
        elif key == "fps":
            changes["fps"] = float(value)
        elif key == "format":
            changes["pixel_format"] = value
        else:
            raise ValueError(f"unknown key {key!r}; it takes size, fps and format")
    return replace(live, **changes)  # type: ignore[arg-type]


class WebcamSource(LiveSource):
    """A V4L2 device, looked for each time it is opened: one that is plugged in again may get a new number."""

    def __init__(self, camera: str, options: SourceOptions) -> None:
        self._camera = camera
        super().__init__(v4l2_dial(options.live), f"webcam:{camera}", options)

    def _connect(self) -> InputContainer:
        self._dial = replace(self._dial, address=str(find_device(self._camera)))
        return super()._connect()

    def _note_format(self, connection: Connection) -> None:
        super()._note_format(connection)
        live = self.options.live
        asked = f"{live.size[0]}x{live.size[1]}" if live.size else ""
        if asked not in connection.format or (live.fps and connection.fps and abs(live.fps - connection.fps) > 0.5):
            log.warning("%s: asked for %s %g fps, the camera gives %s", self.spec, asked, live.fps or 0, self.format)


def v4l2_dial(live: LiveOptions) -> Dial:
    """What FFmpeg's V4L2 demuxer is told; its timestamps are the kernel's, mostly on the monotonic clock."""
    settings = {"timestamps": "default"}
    if live.size is not None:
        settings["video_size"] = f"{live.size[0]}x{live.size[1]}"
    if live.fps is not None:
        settings["framerate"] = f"{live.fps:g}"
    if live.pixel_format is not None:
        settings["input_format"] = live.pixel_format
    return Dial(address="", demuxer="v4l2", settings=settings, stamped=True)


def find_device(camera: str, devices: Path = DEVICES, names: Path = NAMES) -> Path:
    """The device file of a number, a path or a part of a name (of the first that matches). Raises SourceError."""
    found = sorted(devices.glob("video*"), key=lambda path: (len(path.name), path.name))
    if camera.isdigit() or camera.startswith("/"):
        device = devices / f"video{camera}" if camera.isdigit() else Path(camera)
        if device.exists():
            return device
    titles = {path: _title(names / path.name / "name") for path in found}
    for path, title in titles.items():
        if not camera.isdigit() and camera.lower() in title.lower():
            return path
    listed = ", ".join(f"{path} ({title})" if title else str(path) for path, title in titles.items()) or "none"
    raise SourceError(f"source webcam:{camera}: there is no such camera; found: {listed}")


def _title(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
