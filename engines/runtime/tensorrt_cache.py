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

log = logging.getLogger(__name__)


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

    Two processes that want the same engine build it once: the second waits. A file that was cut short or changed
    (its checksum does not fit) is built again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stem}-{key.digest()}.engine"
    with _locked(path.with_suffix(".lock")):
        plan = _read(path)
        if plan is None:
            plan = build()
            _write(path, plan)
    return path, plan


def _read(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, plan = data[:32], data[32:]
    if hashlib.sha256(plan).digest() != digest:
        log.warning("%s is damaged; building it again", path)
        return None
    return plan


def _write(path: Path, plan: bytes) -> None:
    """Appears whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.stem, suffix=".part", delete=False) as file:
        try:
            file.write(hashlib.sha256(plan).digest() + plan)
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
