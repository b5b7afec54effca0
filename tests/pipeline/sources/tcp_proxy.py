"""A TCP proxy that can hold, spoil and cut what passes from the server to its client."""

import contextlib
import random
import select
import socket
import threading


class TcpProxy:
    """Relays connections to 127.0.0.1:`target`; `port` is where it listens."""

    def __init__(self, target, seed=0):
        self._target, self._random = target, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.spoiled = 0.0
        """Share of the chunks in which a byte is changed."""
        self._flows = threading.Event()
        self._flows.set()
        self._pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self):
        """Keep back what the server sends, in order."""
        self._flows.clear()

    def release(self):
        self._flows.set()

    def cut(self):
        """Break all connections there are."""
        pairs, self._pairs = self._pairs, []
        for one in (end for pair in pairs for end in pair):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.release()
        self._listener.close()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                self._pairs.append((client, server))
                threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client, server):
        with client, server, contextlib.suppress(OSError):
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = bytearray(end.recv(1 << 16))
                    if not data:
                        return
                    if end is server:
                        self._flows.wait()
                        if self._random.random() < self.spoiled:
                            data[self._random.randrange(len(data))] ^= 0xFF
                    (client if end is server else server).sendall(data)
