"""Subscribe to published bodies.

    for frame in subscribe("tcp://127.0.0.1:5555"):
        for body in frame.bodies:
            vertices = body.vertices(level=1)

Whatever arrives, nothing crashes: what is no message of the wire is counted in `Subscription.stats` and skipped.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from engines.camera import Intrinsics
from pipeline.body_frame import Body, BodyFrame, BodyModelMismatchError
from pipeline.endpoint import EndpointError, is_local
from pipeline.errors import BodystreamError
from pipeline.keys import load_pair, load_public
from pipeline.wire import (
    FrameMessage,
    Kind,
    Message,
    RetireMessage,
    SourceState,
    StaticMessage,
    WireBody,
    WireError,
    decode,
    topic,
)
from pipeline.wire.layout import MAX_BODIES, MAX_PART_BYTES

__all__ = [
    "Body",
    "BodyFrame",
    "BodyModelMismatchError",
    "StreamTimeoutError",
    "Subscription",
    "SubscriptionStats",
    "subscribe",
]

MAX_STREAMS = 256
"""More streams than this are ignored, so that a hostile publisher cannot fill the memory."""
RECONNECT_AFTER_S = 3.0
"""A publisher with any stream says something every second. After this long without a word the connection is made anew:
ZeroMQ does not do so by itself after a message that broke its rules, such as one that was too large."""
RECEIVE_QUEUE = 64
"""Messages that wait in this process; what comes beyond waits at the publisher, up to its own mark."""


class StreamTimeoutError(BodystreamError, TimeoutError):
    """No frame came for as long as the caller was willing to wait."""


@dataclass(slots=True)
class SubscriptionStats:
    """What a subscription has seen."""

    frames: int = 0
    lost: int = 0
    """Frames that the publisher or the network dropped, by gaps in the sequence."""
    skipped: int = 0
    """Frames that came but gave way to a newer one, with `latest`."""
    malformed: int = 0
    """Messages that were no messages of the wire."""
    ignored: int = 0
    """Frames from before the static message, or out of order; streams beyond MAX_STREAMS."""
    restarts: int = 0
    """How often a publisher came back with another epoch."""


@dataclass(slots=True)
class _Stream:
    static: StaticMessage
    last: int | None = None
    restarted: bool = False
    retired: set[int] = field(default_factory=set)


def subscribe(
    address: str,
    *,
    stream: str | None = None,
    timeout_s: float | None = None,
    keys: Path | str | None = None,
    latest: bool = False,
) -> Subscription:
    """Frames from the publisher at `address`, of one stream or of all.

    timeout_s: raise StreamTimeoutError when no frame comes for so long; None waits for ever, through restarts of the
    publisher. keys: key folder with `server.key` and `client.key_secret`. latest: of the frames waiting, give the
    newest of each stream alone. Raises EndpointError, KeyFileError, WireError for an impossible stream name.
    """
    return Subscription(address, stream=stream, timeout_s=timeout_s, keys=keys, latest=latest)


class Subscription(Iterator[BodyFrame]):
    """An iterator over frames; closes its socket at the end of a `with` block or by `close()`."""

    def __init__(
        self,
        address: str,
        *,
        stream: str | None = None,
        timeout_s: float | None = None,
        keys: Path | str | None = None,
        latest: bool = False,
    ) -> None:
        """See `subscribe`."""
        self.stats = SubscriptionStats()
        self._address, self._stream, self._timeout_s, self._latest = address, stream, timeout_s, latest
        self._heard_at = time.monotonic()
        self._streams: dict[str, _Stream] = {}
        self._ready: deque[BodyFrame] = deque()
        is_local(address)  # refuses what is no address
        kinds = (Kind.STATIC, Kind.FRAME, Kind.RETIRE)
        wanted = [f"{k.letter}/".encode() if stream is None else topic(k, stream) for k in kinds]
        pair = None if keys is None else (load_pair(keys, "client"), load_public(keys, "server"))
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.rcvhwm = RECEIVE_QUEUE
        self._socket.maxmsgsize = MAX_PART_BYTES
        self._socket.ipv6 = "[" in address
        self._socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)  # notices a publisher whose machine went away
        if pair is not None:
            client, self._socket.curve_serverkey = pair
            self._socket.curve_publickey, self._socket.curve_secretkey = client.public, client.secret
        for prefix in wanted:
            self._socket.subscribe(prefix)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise EndpointError(f"cannot connect to {address}: {error}; it must read tcp://HOST:PORT") from error

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Subscription:
        return self

    def __next__(self) -> BodyFrame:
        frame = self.next_frame(self._timeout_s)
        if frame is None:
            raise StreamTimeoutError(
                f"no frame for {self._timeout_s} s ({self.stats.malformed} malformed messages); is the publisher "
                "running at this address, does it publish this stream, and are the keys on its list?"
            )
        return frame

    def next_frame(self, timeout_s: float | None = None) -> BodyFrame | None:
        """The next frame, or None if `timeout_s` passes without one. Raises StopIteration once closed."""
        deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready:
            if self._socket.closed:
                raise StopIteration
            wait_s = max(min(deadline - time.monotonic(), RECONNECT_AFTER_S), 0.0)
            if self._socket.poll(int(wait_s * 1000)):
                self._heard_at = time.monotonic()
                self._drain()
            elif time.monotonic() - self._heard_at >= RECONNECT_AFTER_S:
                self._reconnect()
            if not self._ready and time.monotonic() >= deadline:
                return None
        self.stats.frames += 1
        return self._ready.popleft()

    @property
    def source_states(self) -> dict[str, SourceState]:
        """Stream -> state of its source, as of the last call for a frame; also of streams that send none."""
        return {name: known.static.state for name, known in self._streams.items()}

    def close(self) -> None:
        """Close the socket. Idempotent."""
        self._socket.close()
        self._context.term()

    def _reconnect(self) -> None:
        with contextlib.suppress(zmq.ZMQError):  # it is not connected any more
            self._socket.disconnect(self._address)
        self._socket.connect(self._address)
        self._heard_at = time.monotonic()

    def _drain(self) -> None:
        """Take in what waits: one message, or with `latest` a queue's worth."""
        newest: dict[str, BodyFrame] = {}
        for _ in range(RECEIVE_QUEUE if self._latest else 1):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            frame = self.receive(parts)
            if frame is None:
                continue
            before = newest.pop(frame.stream, None)
            newest[frame.stream] = frame if before is None else _merge(before, frame)
            self.stats.skipped += before is not None
        self._ready.extend(newest.values())

    def receive(self, parts: list[bytes]) -> BodyFrame | None:
        """Take in one multipart message, however it came here; the frame in it, if there is one."""
        try:
            message = decode(parts)
        except WireError:
            self.stats.malformed += 1
            return None
        if self._stream is not None and message.stream != self._stream:
            return None
        return self._take(message)

    def _take(self, message: Message) -> BodyFrame | None:
        known = self._streams.get(message.stream)
        if isinstance(message, StaticMessage):
            self._take_static(known, message)
            return None
        if known is None or known.static.epoch != message.epoch:
            self.stats.ignored += isinstance(message, FrameMessage)
            return None
        if isinstance(message, RetireMessage):
            if len(known.retired) < 16 * MAX_BODIES:
                known.retired.update(message.track_ids)
            return None
        if isinstance(message, FrameMessage):
            return self._take_frame(known, message)
        return None

    def _take_static(self, known: _Stream | None, message: StaticMessage) -> None:
        if known is None:
            if len(self._streams) >= MAX_STREAMS:
                self.stats.ignored += 1
                return
            self._streams[message.stream] = _Stream(message)
        elif known.static.epoch != message.epoch:
            self.stats.restarts += 1
            self._streams[message.stream] = _Stream(message, restarted=True)
        else:
            known.static = message

    def _take_frame(self, known: _Stream, message: FrameMessage) -> BodyFrame | None:
        step = 1 if known.last is None else (message.sequence - known.last) % 2**32
        if not 0 < step < 2**31:
            self.stats.ignored += 1
            return None
        self.stats.lost += step - 1
        static, known.last = known.static, message.sequence
        wall = message.capture_ns - static.monotonic_anchor_ns + static.wall_anchor_ns
        fx, fy, cx, cy = message.camera
        frame = BodyFrame(
            stream=message.stream,
            index=message.frame,
            pts_s=message.pts_ms / 1000,
            capture_ns=message.capture_ns,
            capture_wall_ns=wall,
            publish_delay_s=message.publish_us / 1e6,
            latency_s=(time.time_ns() - wall) / 1e9,
            image_size=message.image_size,
            intrinsics=Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy, assumed=message.camera_assumed),
            bodies=tuple(_body(body, static) for body in message.bodies),
            retired=tuple(sorted(known.retired)),
            expiry_s=static.expiry_ms / 1000,
            lost=step - 1,
            restarted=known.restarted,
            source_state=static.state,
        )
        known.retired.clear()
        known.restarted = False
        return frame


def _body(body: WireBody, static: StaticMessage) -> Body:
    return Body(
        track_id=body.track_id,
        score=body.score,
        quality=body.quality,
        translation=body.translation,
        rotations=body.rotations,
        betas=body.betas,
        body_model=static.body_model,
        mesh=body.mesh,
        mesh_level=static.mesh_level,
    )


def _merge(before: BodyFrame, after: BodyFrame) -> BodyFrame:
    """`after`, with what `before` had to say beyond its bodies."""
    values = {name: getattr(after, name) for name in BodyFrame.__slots__}
    values["retired"] = tuple(sorted({*before.retired, *after.retired}))
    values["lost"] = before.lost + after.lost
    values["restarted"] = before.restarted or after.restarted
    return BodyFrame(**values)
