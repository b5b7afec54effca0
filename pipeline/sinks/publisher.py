"""Publishes bodies over ZeroMQ, wire version 1 (docs/wire.md).

A subscriber that is slow or dead costs nothing: beyond `HIGH_WATER_MARK` messages waiting for it, what is new is
dropped for it alone, and it sees a gap in the sequence; one that stops answering is disconnected.
"""

from __future__ import annotations

import errno
import logging
import secrets
import threading
import time
from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from engines.body import BodyModel
from pipeline.endpoint import is_local
from pipeline.errors import OutputError, UsageError
from pipeline.keys import AllowedClients, load_pair
from pipeline.sinks.wire_streams import WireStream
from pipeline.types import FrameResult
from pipeline.wire import Kind, Message, SourceState, encode, topic
from pipeline.wire.layout import GEOMETRY_PERIOD_S, NUM_BETAS, STATIC_PERIOD_S

log = logging.getLogger(__name__)

HIGH_WATER_MARK = 32
"""Messages queued per subscriber, about a second at 30 Hz."""
HEARTBEAT_S = 2.0
BEAT_S = 0.05
"""How often subscriptions are looked at: the longest a late joiner waits for the static message, and a bound on how
often it can be made to be sent."""
KEY_CHECK_S = 1.0
"""How often the list of clients is looked at for keys that were withdrawn; new ones are found when they connect."""
MAX_REQUEST_BYTES = 1024
"""Largest message accepted from a subscriber; a subscription is shorter."""
_ZAP_DOMAIN = "bodystream"


class PublishError(OutputError):
    """The publisher cannot be set up at its address."""


class PortBusyError(PublishError):
    """Another program listens at the address."""


class Publisher:
    """A sink that publishes every result; see the module."""

    name = "publish"
    wants_pictures = False

    def __init__(
        self,
        address: str,
        body: BodyModel,
        *,
        mesh: bool = False,
        mesh_level: int = 1,
        keys: Path | str | None = None,
        allow_plaintext: bool = False,
    ) -> None:
        """Bind to `address` (`tcp://HOST:PORT`, port 0 or * for any) and start serving.

        mesh: send vertices of `mesh_level` too. keys: a key folder (`pipeline.keys`), then every subscriber needs a key
        listed in it. Raises UsageError for an address that is not loopback without keys, PortBusyError, PublishError,
        KeyFileError.
        """
        if body.num_betas != NUM_BETAS:
            raise UsageError(f"body model {body.identity} has {body.num_betas} betas, the wire carries {NUM_BETAS}")
        if not 0 <= mesh_level < len(body.level_sizes):
            raise UsageError(f"mesh level is {mesh_level}, {body.identity} has levels 0 to {len(body.level_sizes) - 1}")
        if keys is None and not is_local(address):
            if not allow_plaintext:
                raise UsageError(
                    f"{address} can be reached from other machines: pass keys (`bodystream keys new`, --keys DIR), "
                    "or --allow-plaintext to publish to anybody"
                )
            log.warning("publishing at %s without keys: anybody who reaches it sees the bodies", address)
        self._body = body
        self._mesh_level = mesh_level if mesh else None
        self._geometry_level = mesh_level
        self.epoch = secrets.randbits(32)
        self.sent = 0
        """Messages sent, all streams and kinds."""
        self.subscribers = 0
        """Subscriptions to frames that are open now."""
        self._streams: dict[str, WireStream] = {}
        self._lock = threading.Lock()
        self._pair = None if keys is None else load_pair(keys, "server")
        self._allowed = None if keys is None else AllowedClients(Path(keys).expanduser() / "clients")
        self._context = zmq.Context()
        self._authenticator = self._authenticate() if self._allowed else None
        try:
            self._socket: zmq.Socket | None = self._open(address)
        except PublishError:
            self._shut_down()
            raise
        self.bound_address: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        """The real address, with its port number."""
        self._stop = threading.Event()
        self._beat = threading.Thread(target=self._run, name="publisher-beat", daemon=True)
        self._beat.start()

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """What must live until `close`."""
        return (self._beat,)

    def write(self, result: FrameResult) -> None:
        """Publish one result: the frame message, surfaces if there are any, and a retire message if somebody left."""
        with self._lock:
            stream = self._stream(result.frame.stream)
            self._send(stream.frame(result, self._body, self._mesh_level))
            for volume in stream.volumes(result):
                self._send(volume)
            if (retired := stream.retired(result)) is not None:
                self._send(retired)

    def set_state(self, stream: str, state: SourceState) -> None:
        """Tell subscribers the state of a stream's source, at once."""
        with self._lock:
            known = self._stream(stream)
            known.state = state
            self._send_static(known)

    def report(self) -> dict:
        """Figures for the summary."""
        return {
            "address": self.bound_address,
            "messages": self.sent,
            "bodies_refused": sum(stream.refused for stream in self._streams.values()),
        }

    def close(self) -> None:
        """Retire all bodies, send what is queued, free the port. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._beat.join()
        with self._lock:
            for stream in self._streams.values():
                if (retired := stream.closed()) is not None:
                    self._send(retired)
            if self._socket is not None:
                self._socket.close(linger=200)
                self._socket = None
        self._shut_down()

    def _shut_down(self) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def _authenticate(self) -> ThreadAuthenticator:
        authenticator = ThreadAuthenticator(self._context, log=log)
        authenticator.start()
        authenticator.configure_curve_callback(_ZAP_DOMAIN, self._allowed)
        return authenticator

    def _open(self, address: str) -> zmq.Socket:
        socket = self._context.socket(zmq.XPUB)
        socket.linger = 0
        socket.sndhwm = HIGH_WATER_MARK
        socket.maxmsgsize = MAX_REQUEST_BYTES
        socket.ipv6 = "[" in address
        socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # every subscription is seen, not only the first of its kind
        socket.setsockopt(zmq.HEARTBEAT_IVL, int(HEARTBEAT_S * 1000))
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, int(2 * HEARTBEAT_S * 1000))
        if self._pair is not None:
            socket.curve_server = True
            socket.curve_secretkey, socket.curve_publickey = self._pair.secret, self._pair.public
            socket.setsockopt_string(zmq.ZAP_DOMAIN, _ZAP_DOMAIN)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            socket.close()
            if error.errno == errno.EADDRINUSE:
                raise PortBusyError(
                    f"{address} is in use by another program; stop it or choose another port"
                ) from error
            raise PublishError(f"cannot publish at {address}: {error}; use tcp://HOST:PORT of this machine") from error
        return socket

    def _stream(self, name: str) -> WireStream:
        if name not in self._streams:
            topic(Kind.FRAME, name)  # refuses a name that is no topic
            self._streams[name] = WireStream(name, self.epoch)
            self._send_static(self._streams[name])
        return self._streams[name]

    def _send_static(self, stream: WireStream) -> None:
        self._send(stream.static(self._body, self._mesh_level))
        stream.static_at = time.monotonic() + STATIC_PERIOD_S

    def _send(self, message: Message) -> None:
        if self._socket is not None:
            self._socket.send_multipart(encode(message))
            self.sent += 1

    def _run(self) -> None:
        withdrawals, check_at = 0, time.monotonic()
        while not self._stop.wait(BEAT_S):
            with self._lock:
                self._serve_subscriptions()
                now = time.monotonic()
                for stream in self._streams.values():
                    if now >= stream.static_at:
                        self._send_static(stream)
                    if now >= stream.geometry_at:
                        self._send(stream.geometry(self._body, self._geometry_level))
                        stream.geometry_at = now + GEOMETRY_PERIOD_S
            if self._allowed and now >= check_at:
                check_at = now + KEY_CHECK_S
                if self._allowed.withdrawals() > withdrawals:
                    withdrawals = self._allowed.withdrawals()
                    self._reopen()

    def _serve_subscriptions(self) -> None:
        """Make static and geometry messages due for who has just subscribed. Whatever else arrives is ignored."""
        while self._socket is not None:
            try:
                request = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if request[:1] not in (b"\x00", b"\x01"):
                continue
            joins, prefix = request[0] == 1, request[1:]
            if b"f/".startswith(prefix[:2]):
                self.subscribers += 1 if joins else -1
            for stream in self._streams.values() if joins else ():
                if topic(Kind.STATIC, stream.name).startswith(prefix):
                    stream.static_at = 0.0
                if topic(Kind.GEOMETRY, stream.name).startswith(prefix):
                    stream.geometry_at = 0.0

    def _reopen(self) -> None:
        """Drop all connections, because a key was withdrawn; whoever still has one reconnects by itself."""
        log.warning("a client key was withdrawn: all subscribers have to connect again")
        with self._lock:
            if self._socket is not None:
                self._socket.close(linger=0)
            self._socket, self.subscribers = None, 0
        while self._socket is None and not self._stop.wait(
            BEAT_S
        ):  # closing takes a moment, the port is busy until then
            try:
                socket = self._open(self.bound_address)
            except PortBusyError:
                continue
            with self._lock:
                self._socket = socket
