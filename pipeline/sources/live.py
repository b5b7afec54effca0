"""Cameras: V4L2 devices (`webcam:0`) and network streams (`rtsp://`, `http://`). The newest picture counts.

A camera that is lost is connected again for as long as it takes, with growing pauses; so is one that is silent. Only a
stream of known length (a video file behind http://) ends.
"""

from __future__ import annotations

import logging
import random
import re
import time
from dataclasses import dataclass, field

from av.container import InputContainer

from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions, SourceState
from pipeline.sources.capture_clock import CaptureClock
from pipeline.sources.connection import Connection, Picture
from pipeline.sources.container import open_container
from pipeline.sources.device_frames import upright_picture
from pipeline.sources.redact import redact
from pipeline.types import Frame

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 10.0
"""From dialling to the first picture."""
REOPEN_TIMEOUT_S = 5.0
"""The same for a camera that was seen before: shorter, a dial that got lost is better repeated."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 0.5
"""Between two attempts. The longest is short: a camera that is back should be seen within two seconds."""
REFUSED_PAUSE_S = 30.0
"""After a refused password: cameras lock out who tries too often."""
STEADY_S = 5.0
"""A connection that lasted so long counts as good: the next pause is short again."""
MAX_HANGING = 4
"""Connections that were given up and still hang in a call; no more than so many at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """What FFmpeg needs to know to open a camera."""

    address: str
    """With credentials: never shown."""
    demuxer: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    stamped: bool = False
    """Timestamps may be this machine's monotonic clock."""


def create(rest: str, options: SourceOptions) -> LiveSource:
    """`rtsp://...`, `http://...`."""
    settings = {"analyzeduration": "1000000", "probesize": "500000"}
    if rest.startswith("rtsp"):
        settings |= {"fflags": "nobuffer", "rtsp_transport": options.live.transport}
    return LiveSource(Dial(address=rest, settings=settings), redact(rest), options)


class LiveSource(Source):
    """Decodes with as little delay as FFmpeg allows and reconnects by itself."""

    delivery = Delivery.LATEST

    def __init__(self, dial: Dial, spec: str, options: SourceOptions) -> None:
        super().__init__(spec, options)
        self._dial = dial
        self._clock = CaptureClock()
        self._connection: Connection | None = None
        self._hanging: list[Connection] = []
        self._first: Picture | None = None
        self._index = 0
        self._attempt = 0
        self._running_since_s = 0.0
        self._skipped_before = 0
        """Packets that earlier connections left out."""

    def _open(self) -> None:
        self._connection = connection = self._dialled()
        self._first = connection.take(OPEN_TIMEOUT_S)
        if self._first is not None:
            self._note_format(connection)
        elif not self._stop.is_set():
            raise SourceError(f"{self.spec}: there is not one picture in this stream")

    def _next(self) -> Frame | None:
        while not self._stop.is_set():
            try:
                picture = self._first or self._take()
            except SourceError as error:
                self._lost(error)
                continue
            self._first = None
            return None if picture is None else self._frame(picture)
        return None

    def _take(self) -> Picture | None:
        connection, is_new = self._connection, self.state is SourceState.RECONNECTING
        if connection is None:
            self._connection = connection = self._dialled()
        picture = connection.take(REOPEN_TIMEOUT_S if is_new else self.options.live.stall_s)
        self.skipped = self._skipped_before + connection.undecodable + connection.skipped
        if is_new and picture is not None:
            self.reconnects += 1
            self._note_format(connection)
            self._move(SourceState.RUNNING)
        return picture

    def _dialled(self) -> Connection:
        self._running_since_s = time.monotonic()
        self._clock.reconnected()
        connection = Connection(
            self._connect, self._clock, name=self.spec, threads=self.options.threads, stamped=self._dial.stamped
        )
        if self._stop.is_set():  # closed meanwhile, by a thread that knew nothing of this connection
            connection.close()
        return connection

    def _connect(self) -> InputContainer:
        return open_container(
            self._dial.address,
            hwaccel=self.options.hwaccel,
            device=self.options.device,
            shown_as=self.spec,
            hint="is the camera on, free and reachable?",
            format=self._dial.demuxer,
            options=dict(self._dial.settings),
            timeout=(OPEN_TIMEOUT_S, self.options.live.stall_s),
        )

    def _lost(self, error: SourceError) -> None:
        """Say so once, let the connection go, and pause."""
        if self._connection is not None:
            self._let_go(self._connection)
        if self.state is SourceState.RUNNING:
            if time.monotonic() - self._running_since_s > STEADY_S:
                self._attempt = 0
            self._move(SourceState.RECONNECTING, str(error))
        self.trouble = redact(str(error))
        log.debug("%s: attempt %d: %s", self.stream, self._attempt, self.trouble)
        refused = re.search("returned 40[13]", self.trouble) is not None
        self._stop.wait(pause_s(self._attempt, REFUSED_PAUSE_S if refused else LONGEST_PAUSE_S))
        self._attempt += 1
        while len(self._hanging) >= MAX_HANGING and not self._stop.wait(LONGEST_PAUSE_S):
            self._hanging = [connection for connection in self._hanging if connection.alive]

    def _let_go(self, connection: Connection) -> None:
        self._connection = None
        connection.close()
        self._skipped_before += connection.undecodable + connection.skipped
        self.skipped = self._skipped_before
        self._hanging = [other for other in (*self._hanging, connection) if other.alive]

    def _note_format(self, connection: Connection) -> None:
        self.format, self.fps = connection.format, connection.fps
        log.info("%s: %s is %s", self.stream, self.spec, self.format)

    def _frame(self, picture: Picture) -> Frame:
        image = upright_picture(picture.frame, self.options.device)
        self.superseded += picture.superseded
        self._index += picture.superseded + 1
        return Frame(
            stream=self.stream,
            index=self._index - 1,
            image=image,
            capture_ns=picture.moment.capture_ns,
            pts_s=picture.moment.media_s,
            intrinsics=self.options.camera.for_size(image.shape[1], image.shape[0]),
        )

    def _release(self) -> None:
        if (connection := self._connection) is not None:
            self._let_go(connection)


def pause_s(attempt: int, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Seconds before the next attempt: doubled each time up to a cap, half of it random so that a fleet of cameras
    behind one switch is not dialled in step."""
    return min(longest_s, FIRST_PAUSE_S * 2 ** min(attempt, 20)) * random.uniform(0.5, 1.0)
