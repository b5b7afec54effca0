"""Keeps built TensorRT engines in the user's cache directory: building takes minutes, loading milliseconds."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from engines.runtime.engine import EngineError

log = logging.getLogger(__name__)

_MAGIC = b"bodystream engine 2\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """All that a built engine depends on."""

    onnx_sha256: str
    tensorrt: str
    """Module and version."""
    gpu: str
    """Name and compute capability."""
    precision: str
    batches: tuple[int, ...]

    def digest(self) -> str:
        """Hex digest of the key."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/bodystream/engines`, or under `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bodystream" / "engines"


def cached_engine(directory: Path, stem: str, key: CacheKey, build: Callable[[], bytes]) -> tuple[Path, bytes]:
    """The engine of ``key``, and its file; calls ``build`` where the cache has none.

    Two processes that want the same engine build it once: the second waits. A file that is damaged, or was built for
    something else, is built again, and the log says why.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stem}-{key.digest()}.engine"
    with _locked(path.with_suffix(".lock")):
        try:
            plan: bytes | None = unwrap(path.read_bytes(), key)
        except FileNotFoundError:
            plan = None
        except EngineRejected as reason:
            log.warning("%s is not used: %s; building it again", path, reason)
            plan = None
        if plan is None:
            plan = build()
            _write(path, wrap(plan, key))
    return path, plan


class EngineRejected(EngineError):
    """A file is no engine, or none for this network on this GPU."""


def wrap(plan: bytes, key: CacheKey) -> bytes:
    """The engine as a file: what it was built for, a checksum, the engine."""
    header = json.dumps(asdict(key)).encode()
    body = len(header).to_bytes(4, "little") + header + plan
    return _MAGIC + hashlib.sha256(body).digest() + body


def unwrap(data: bytes, key: CacheKey) -> bytes:
    """The engine of a file. Raises EngineRejected, with the reason, where it is not whole or not that of ``key``."""
    start = len(_MAGIC) + 32
    if not data.startswith(_MAGIC):
        raise EngineRejected("it was not written by this version of the program")
    if hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise EngineRejected("it was cut short or changed")
    size = int.from_bytes(data[start : start + 4], "little")
    built_for = json.loads(data[start + 4 : start + 4 + size])
    for name, wanted in json.loads(json.dumps(asdict(key))).items():
        if built_for.get(name) != wanted:
            raise EngineRejected(f"it was built for {name} {built_for.get(name)}, here it is {wanted}")
    return data[start + 4 + size :]


def _write(path: Path, data: bytes) -> None:
    """Appears whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock between processes and threads; without `fcntl` (Windows) a rare double build is harmless."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
