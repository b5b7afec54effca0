"""A camera to be mistreated: MPEG-TS over HTTP; the place of a bright bar tells when a picture was painted."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np

PERIOD_S = 8.0
"""The bar crosses the picture once in so many seconds of the monotonic clock."""
BAR_PX = 8
_TICKS = 90_000
_REPLY = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"


class Camera:
    """Serves on loopback. The fields without underscore may be changed at any time and hold from the next picture."""

    def __init__(self, *, fps: float = 15.0, size: tuple[int, int] = (320, 240), codec: str = "libx264") -> None:
        self.fps, self.size, self.codec = fps, size, codec
        self.silent = False
        """It paints nothing; connections stay open."""
        self.clock_offset_s = 0.0
        """Added to the timestamps of the stream."""
        self._listener: socket.socket | None = None
        self._address: tuple[str, int] = ("127.0.0.1", 0)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; they stay the same over `stop` and `start`."""
        return self._address

    def start(self) -> None:
        """Listen (again)."""
        listener = socket.create_server(self._address)
        self._address, self._listener = listener.getsockname(), listener
        threading.Thread(target=self._accept, args=(listener,), name="camera", daemon=True).start()

    def stop(self) -> None:
        """Close the port and all connections, as a camera does that is switched off."""
        with self._lock:
            listener, self._listener = self._listener, None
            connections = list(self._connections)
        for one in (listener, *connections):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), name="camera client", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(60)
            while b"\r\n\r\n" not in connection.recv(4096):
                pass
            connection.sendall(_REPLY)
            while True:  # a new encoder and a new multiplexer for everything that changes
                self._stream(_SocketFile(connection))
        except (OSError, av.FFmpegError, ValueError):
            pass  # the client went away, or the camera was switched off
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _stream(self, file: io.RawIOBase) -> None:
        """Until size, codec or clock change. Raises what writing to a closed connection raises."""
        settings = size, codec, offset_s = self.size, self.codec, self.clock_offset_s
        options = {"flush_packets": "1"}
        container = av.open(cast(Any, file), "w", format="mpegts", options=options)
        stream = cast(Any, container.add_stream(codec, rate=Fraction(self.fps).limit_denominator(1000)))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = max(2, round(self.fps / 2))
        stream.codec_context.max_b_frames = 0
        if codec == "libx264":
            stream.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        last_pts = -1
        for moment_s in self._ticks():
            if settings != (self.size, self.codec, self.clock_offset_s):
                break
            picture = av.VideoFrame.from_ndarray(paint(moment_s, size), format="yuv420p")
            last_pts = max(last_pts + 1, round((moment_s + offset_s) % (2**33 / _TICKS) * self.fps))
            picture.pts, picture.time_base = last_pts, 1 / Fraction(self.fps).limit_denominator(1000)
            for packet in stream.encode(picture):
                container.mux(packet)
        container.close()

    def _ticks(self) -> Iterator[float]:
        """The moments at which pictures are painted; a moment that was missed is left out, as cameras do."""
        due_s = time.monotonic()
        while True:
            time.sleep(max(0.0, due_s - time.monotonic()))
            now_s = time.monotonic()
            due_s = max(due_s + 1 / self.fps, now_s)
            if not self.silent:
                yield now_s


def paint(moment_s: float, size: tuple[int, int]) -> np.ndarray:
    """(1.5 H, W) uint8, yuv420p: black, with a white bar at the place that belongs to that moment."""
    width, height = size
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = 16
    centre = moment_s % PERIOD_S / PERIOD_S * width
    columns = np.arange(width) + 0.5
    picture[:height, np.minimum(np.abs(columns - centre), width - np.abs(columns - centre)) <= BAR_PX / 2] = 235
    return picture


def picture_age_s(centre_px: float, width_px: int, now_s: float) -> float:
    """How long ago (at `now_s`, monotonic) a picture was painted whose bar is there; at most `PERIOD_S`."""
    age_s = (now_s - centre_px / width_px * PERIOD_S) % PERIOD_S
    return age_s - PERIOD_S if age_s > PERIOD_S - 0.5 else age_s  # the bar is some pixels wide


class _SocketFile(io.RawIOBase):
    """What a multiplexer writes to. After an error it goes on failing, so that closing does not hang."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._connection.sendall(data)
        return len(data)
