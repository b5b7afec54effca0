"""CURVE keys: `bodystream keys new`, and the list of clients a publisher serves.

A key folder holds `server.key`, `server.key_secret` and `clients/*.key` for the publisher, `server.key`,
`client.key` and `client.key_secret` for a subscriber. On one machine a single folder serves both. A remote subscriber
gets `server.key` and its own pair; only its public key stays in `clients/`. Removing a file there refuses that client's
next connection; no restart is needed.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import shutil
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import zmq.auth

from pipeline.errors import BodystreamError

log = logging.getLogger(__name__)

DEFAULT_FOLDER = Path("~/.config/bodystream/keys")


class KeyFileError(BodystreamError):
    """A key folder or key file cannot be used."""


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A CURVE key pair, Z85 text; the secret is never printed."""

    public: bytes
    secret: bytes


def load_pair(folder: Path | str, name: str) -> KeyPair:
    """`NAME.key_secret` of a key folder. Raises KeyFileError."""
    path = Path(folder).expanduser() / f"{name}.key_secret"
    public, secret = _read(path)
    if secret is None:
        raise KeyFileError(f"{path} holds no secret key; make one with `bodystream keys new`")
    return KeyPair(public, secret)


def load_public(folder: Path | str, name: str) -> bytes:
    """`NAME.key` of a key folder. Raises KeyFileError."""
    return _read(Path(folder).expanduser() / f"{name}.key")[0]


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise KeyFileError(f"{path} is no key file ({error}); make one with `bodystream keys new`") from error
    if any(len(key) != 40 for key in (public, secret) if key is not None):
        raise KeyFileError(f"{path} holds a key that is not 40 characters long; make one with `bodystream keys new`")
    return public, secret


class AllowedClients:
    """The public keys in a folder, read again whenever the folder has changed; asked at every handshake."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: object = None
        self._keys: frozenset[bytes] = frozenset()
        self._withdrawals = 0

    def keys(self) -> frozenset[bytes]:
        """Public keys allowed now; a file that cannot be read allows nobody and is said in the log."""
        with self._lock:
            try:
                state = self._state()
                loaded = self._keys if state == self._seen else self._load()
            except OSError as error:  # out of descriptors, for instance: that withdraws nobody's key
                log.warning("%s cannot be read (%s); the clients stay as they were", self._folder, error.strerror)
                return self._keys
            if state != self._seen:
                before, self._keys, self._seen = self._keys, loaded, state
                self._withdrawals += bool(before - self._keys)
                log.info("%d clients allowed by %s", len(self._keys), self._folder)
            return self._keys

    def withdrawals(self) -> int:
        """How often a key that was allowed once was found to be allowed no more."""
        self.keys()
        return self._withdrawals

    def callback(self, domain: str, key: bytes) -> bool:
        """What the ZAP handler asks: may this public key connect?"""
        allowed = key in self.keys()
        if not allowed:
            log.warning("refused a client with the unknown key %s", key.decode("ascii", "replace"))
        return allowed

    def _state(self) -> object:
        try:
            return tuple(sorted((e.name, e.stat().st_mtime_ns, e.stat().st_size) for e in os.scandir(self._folder)))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None

    def _load(self) -> frozenset[bytes]:
        keys = set()
        for path in sorted(self._folder.glob("*.key")):
            try:
                keys.add(_read(path)[0])
            except KeyFileError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.EMFILE, errno.ENFILE):
                    raise error.__cause__ from None
                log.warning("ignored: %s", error)
        return frozenset(keys)


def create(folder: Path, client: str = "client") -> list[Path]:
    """Make what is missing in a key folder: the server's pair, a client's pair and its entry among the allowed.

    Returns the files written. Raises KeyFileError if the client's key exists already.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    allowed = folder / "clients"
    allowed.mkdir(exist_ok=True)
    if (folder / f"{client}.key_secret").exists():
        raise KeyFileError(f"{folder / client}.key_secret exists; name another client or delete it first")
    names = [client] if (folder / "server.key_secret").exists() else ["server", client]
    written = []
    for name in names:
        # The secret is born unreadable to others, not made so a moment later.
        before = os.umask(0o077)
        try:
            public, secret = map(Path, zmq.auth.create_certificates(folder, name))
        finally:
            os.umask(before)
        public.chmod(0o644)
        written += [public, secret]
    written.append(Path(shutil.copyfile(folder / f"{client}.key", allowed / f"{client}.key")))
    return written


def main(argv: list[str] | None = None) -> int:
    """`bodystream keys new [--dir DIR] [--client NAME]`."""
    parser = argparse.ArgumentParser(prog="bodystream keys", description="CURVE keys for publishers and subscribers")
    new = parser.add_subparsers(dest="command", required=True).add_parser("new", help="make keys")
    new.add_argument("--dir", type=Path, default=DEFAULT_FOLDER, help="key folder (default: %(default)s)")
    new.add_argument("--client", default="client", help="name of the client to make a key for (default: %(default)s)")
    options = parser.parse_args(argv)
    if not options.client.replace("-", "").replace("_", "").isalnum() or options.client == "server":
        parser.error(f"client name {options.client!r} must be letters, digits, - and _, and not 'server'")
    folder = options.dir.expanduser()
    try:
        written = create(folder, options.client)
    except (OSError, KeyFileError) as error:
        print(f"bodystream keys: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(path)
    print(f"publisher:  --keys {folder}")
    print(f"subscriber: {folder}/server.key and {folder}/{options.client}.key_secret, in a folder of its own")
    return 0
