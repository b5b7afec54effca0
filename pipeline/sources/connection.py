"""One connection to a camera: a thread that opens it, decodes, and keeps the newest picture.

The thread may hang in a driver or in a name server for longer than anybody wants to wait. So nobody waits for it: who
takes pictures has a time limit of his own, and a connection that is closed ends when its call returns.
"""

from __future__ import annotations

import gc
import logging
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.codec.context import Flags
from av.container import InputContainer

from pipeline.errors import BodystreamError, SourceError
from pipeline.sources.capture_clock import CaptureClock, Moment, monotonic_of_wall
from pipeline.sources.container import reason

log = logging.getLogger(__name__)

MAX_LAG_S = 1.0
"""A stream that lags by more for `LAG_PATIENCE_S` is decoded too slowly: it goes on at a later keyframe."""
LAG_PATIENCE_S = 1.0
SKIP_LIMIT_S = 3.0
"""If skipping for so long does not cure the lag, it is none of ours: the network's, or the camera's clock."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture that nobody has looked at yet."""

    frame: av.VideoFrame
    moment: Moment
    superseded: int
    """Pictures before this one that were decoded and never taken."""


class Connection:
    """Runs from its construction until the stream breaks, ends, or `close`."""

    def __init__(
        self,
        connect: Callable[[], InputContainer],
        clock: CaptureClock,
        *,
        name: str,
        threads: int = 0,
        stamped: bool = False,
    ) -> None:
        """`clock` is this connection's until it is closed. stamped: PTS may be this machine's monotonic clock."""
        self._connect, self._clock, self._threads, self._stamped = connect, clock, threads, stamped
        self.name = name
        self.format = ""
        """Codec, size and rate, once it is open."""
        self.fps = 0.0
        self.undecodable = 0
        """Packets that could not be decoded."""
        self.skipped = 0
        """Packets left out to catch up."""
        self._changed = threading.Condition()
        self._newest: Picture | None = None
        self._superseded = 0
        self._error: BodystreamError | None = None
        self._over = self._closed = False
        self._behind_since_ns: int | None = None
        self._skipping = False
        self._thread = threading.Thread(target=self._run, name=f"connection {name}", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> Picture | None:
        """The newest picture, once there is one that was not taken yet; None at the end or after `close`.

        Raises SourceError if the connection broke, or if nothing came for `timeout_s`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._over or self._closed, timeout_s)
            if self._closed:
                return None
            if self._newest is not None:
                picture, self._newest, self._superseded = self._newest, None, 0
                return picture
            if self._error is not None:
                raise self._error
            if not self._over:
                raise SourceError(f"{self.name}: no picture for {timeout_s:g} s")
            return None

    def close(self) -> None:
        """Let go; wakes who waits in `take`."""
        with self._changed:
            self._closed = True
            self._newest = None
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        """Whether the thread is still busy, if only with noticing that it was closed."""
        return self._thread.is_alive()

    def _run(self) -> None:
        error: BodystreamError | None = None
        try:
            self._read()
        except BodystreamError as broken:
            error = broken
        except (av.FFmpegError, OSError) as broken:
            error = SourceError(f"{self.name}: the connection broke ({reason(broken)})")
        except Exception as bug:  # not worth the stream: it is connected again, and the reason is said
            log.debug("%s", self.name, exc_info=True)
            error = SourceError(f"{self.name}: the decoder failed ({type(bug).__name__}: {bug})")
        gc.collect()  # PyAV's containers are cycles: their decoders keep threads and pictures until they are collected
        with self._changed:
            self._error, self._over = error, True
            self._changed.notify_all()

    def _read(self) -> None:
        with self._connect() as container:
            if not container.streams.video:
                raise SourceError(f"{self.name}: there is no video in this stream")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"  # frame threads would each hold back a picture
            stream.codec_context.thread_count = self._threads
            stream.codec_context.flags |= Flags.low_delay
            self.fps = float(stream.average_rate or stream.guessed_rate or 0)
            codec = stream.codec_context
            self.format = f"{codec.name} {codec.width}x{codec.height} {codec.pix_fmt or '?'} {self.fps:g} fps"
            for packet in container.demux():  # all streams: sound alone must not keep us inside
                if self._closed:
                    return
                if packet.stream.index == stream.index:
                    self._decode(packet, stream.time_base or Fraction(1, 90_000))
            if container.size <= 0:  # else it was a file behind http://, and this is its end
                raise SourceError(f"{self.name}: the stream broke off")

    def _decode(self, packet: av.Packet, time_base: Fraction) -> None:
        arrival_ns = time.monotonic_ns()
        stamp_ns = self._stamp(packet, time_base)
        if packet.pts is not None and not self._is_timely(packet, float(packet.pts * time_base), arrival_ns):
            self.skipped += 1
            return
        try:
            frames = packet.decode()
        except av.InvalidDataError as error:
            self.undecodable += 1
            log.debug("%s: a packet cannot be decoded (%s)", self.name, reason(error))
            return
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                self._offer(frame, arrival_ns, stamp_ns)

    def _offer(self, frame: av.VideoFrame, arrival_ns: int, stamp_ns: int | None) -> None:
        with self._changed:
            if self._closed:  # the clock may be another connection's by now
                return
            moment = self._clock.picture(frame.time, arrival_ns, stamp_ns)
            self._superseded += self._newest is not None
            self._newest = Picture(frame, moment, self._superseded)
            self._changed.notify_all()

    def _stamp(self, packet: av.Packet, time_base: Fraction) -> int | None:
        """The capture time on our monotonic clock, if the driver or the sender states it (may be nonsense)."""
        if self._stamped and packet.pts is not None:
            return round(packet.pts * time_base * 1_000_000_000)
        if packet.has_sidedata("prft"):  # an RTCP sender report was seen: microseconds of the sender's wall clock
            return monotonic_of_wall(struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))[0])
        return None

    def _is_timely(self, packet: av.Packet, pts_s: float, arrival_ns: int) -> bool:
        """False for packets to leave out because decoding cannot keep up."""
        lag_s = self._clock.lag_s(pts_s, arrival_ns)
        if self._behind_since_ns is None or (lag_s <= MAX_LAG_S and not self._skipping):
            self._behind_since_ns = arrival_ns if lag_s > MAX_LAG_S else None
            return True
        behind_s = (arrival_ns - self._behind_since_ns) / 1e9
        if not self._skipping and behind_s < LAG_PATIENCE_S:
            return True
        if not self._skipping:
            log.warning("%s: lags by %.1f s, going on at a later keyframe", self.name, lag_s)
        self._skipping = True
        is_hopeless = behind_s > LAG_PATIENCE_S + SKIP_LIMIT_S
        is_without_keyframes = behind_s > LAG_PATIENCE_S + 2 * SKIP_LIMIT_S
        if (packet.is_keyframe and (lag_s <= MAX_LAG_S or is_hopeless)) or is_without_keyframes:
            if is_hopeless:
                self._clock.reconnected()
            self._skipping, self._behind_since_ns = False, None
            return True
        return False
