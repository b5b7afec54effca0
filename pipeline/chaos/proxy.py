"""A TCP proxy that stands for a bad network: it delays, loses, corrupts, throttles, stalls and cuts."""

from __future__ import annotations

import contextlib
import math
import random
import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass

CHUNK_BYTES = 1316
"""Seven MPEG-TS packets: what such streams put into one datagram, and what is lost or damaged at once."""
HELD_BYTES = 4 << 20
"""What the network holds back at most; the sender has to wait beyond."""
_TICK_S = 0.01
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to the bytes from the server to its clients."""

    delay_s: float = 0.0
    loss: float = 0.0
    """Share of chunks that never arrive."""
    corruption: float = 0.0
    """Share of chunks in which some bytes are wrong."""
    bytes_per_s: float = math.inf
    stalled: bool = False
    """Nothing passes; connections stay open."""
    answer: bytes | None = None
    """What new clients get instead of the server, before they are cut off."""


FINE = Weather()


class FaultyProxy:
    """Listens on loopback and forwards to `target`, in the `weather` of the moment. Reproducible by its seed as far as
    the sequence of chunks is."""

    def __init__(self, target: tuple[str, int], seed: int = 0) -> None:
        self.weather = FINE
        self._target, self._random = target, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._clients)

    def cut(self, *, reset: bool = False) -> None:
        """End all connections: in order, or as a router does that forgot them."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with contextlib.suppress(OSError):
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    client.close()  # the thread that carries it finds it closed
                else:
                    client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="proxy connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.add(client)
        try:
            if (answer := self.weather.answer) is not None:
                client.sendall(answer)
                return
            with socket.create_connection(self._target, timeout=5) as server:
                self._carry(client, server)
        except (OSError, ValueError):
            pass  # either end went away, or was cut off
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        held: deque[tuple[float, bytes]] = deque()
        held_bytes, credit, before_s = 0, 0.0, time.monotonic()
        more = True
        while more or held:
            ready = _readable([client, server] if more and held_bytes < HELD_BYTES else [client])
            if client in ready:
                if not (request := client.recv(65536)):
                    return
                server.sendall(request)
            if server in ready:
                data = server.recv(CHUNK_BYTES)
                more = bool(data)
                held.append((time.monotonic() + self.weather.delay_s, data))
                held_bytes += len(data)
            weather, now_s = self.weather, time.monotonic()
            if weather.stalled:
                credit, before_s = 0.0, now_s
                time.sleep(_TICK_S)
                continue
            credit = min(credit + weather.bytes_per_s * (now_s - before_s), max(weather.bytes_per_s, CHUNK_BYTES))
            before_s = now_s
            while held and (held[0][0] <= now_s or not weather.delay_s) and credit >= len(held[0][1]):
                data = held.popleft()[1]
                held_bytes -= len(data)
                credit -= len(data)
                if self._random.random() >= weather.loss:
                    client.sendall(self._damaged(data, weather.corruption))

    def _damaged(self, data: bytes, share: float) -> bytes:
        if self._random.random() >= share:
            return data
        wrong = bytearray(data)
        for _ in range(1 + len(wrong) // 100):
            wrong[self._random.randrange(len(wrong))] ^= self._random.randrange(1, 256)
        return bytes(wrong)


def _readable(sockets: list[socket.socket]) -> list[socket.socket]:
    """Those of them that have something to read, after at most a tick. Raises ValueError for a closed one."""
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        return [key.fileobj for key, _ in selector.select(_TICK_S)]  # type: ignore[misc]
