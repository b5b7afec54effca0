"""From what the user writes after `--source` to a source.

A source module has `create(rest: str, options: SourceOptions) -> Source`, where `rest` is what follows the scheme and
its colon (for a URL: the whole URL). Modules are imported when they are first asked for.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

from kernels.device import Device
from pipeline.errors import SourceError
from pipeline.sources.base import CameraOption, Source, SourceOptions
from pipeline.sources.redact import redact

SCHEMES: dict[str, str] = {
    "file": "pipeline.sources.file",
    "images": "pipeline.sources.images",
    "demo": "pipeline.sources.demo",
    "test": "pipeline.sources.pattern",
    "log": "pipeline.sources.replay",
    "webcam": "pipeline.sources.webcam",
    "rtsp": "pipeline.sources.live",
    "rtsps": "pipeline.sources.live",
    "http": "pipeline.sources.live",
    "https": "pipeline.sources.live",
}
"""Scheme -> module with `create`."""

_URL_SCHEMES = ("rtsp", "rtsps", "http", "https")
_registered: dict[str, Callable[[str, SourceOptions], Source]] = {}


def register_source(scheme: str, create: Callable[[str, SourceOptions], Source]) -> None:
    """Add a scheme from outside the package. Raises ValueError if the scheme is taken or malformed."""
    if not re.fullmatch(r"[a-z][a-z0-9]+", scheme):
        raise ValueError(f"scheme is {scheme!r}, it must be two or more of a-z and 0-9")
    if scheme in SCHEMES or scheme in _registered:
        raise ValueError(f"scheme {scheme!r} is taken; choose another")
    _registered[scheme] = create


def split_spec(spec: str) -> tuple[str, str]:
    """`test:fps=30` -> ("test", "fps=30"); a path -> ("images" or "file", path). Raises SourceError on nonsense."""
    if not spec:
        raise SourceError("the source is empty; name a file, a folder of pictures, webcam:0, rtsp://..., demo or test:")
    scheme, colon, rest = spec.partition(":")
    if scheme in _URL_SCHEMES and rest.startswith("//"):
        return scheme, spec
    if (colon or scheme == "demo") and (scheme in SCHEMES or scheme in _registered) and scheme not in _URL_SCHEMES:
        return scheme, rest
    path = Path(spec)
    if path.is_dir():
        return "images", spec
    if path.exists():
        from pipeline.sources.images import SUFFIXES

        return ("images" if path.suffix.lower() in SUFFIXES else "file"), spec
    if colon and "/" not in scheme:
        near = difflib.get_close_matches(scheme, [*SCHEMES, *_registered], n=1)
        hint = f"; did you mean {near[0]}:{rest}?" if near else f"; known are {', '.join([*SCHEMES, *_registered])}"
        raise SourceError(f"source {redact(spec)}: there is no scheme {scheme!r} and no such file{hint}")
    raise SourceError(f"source {spec}: there is no such file or folder; check the path")


def create_source(spec: str, options: SourceOptions) -> Source:
    """The source for `spec`, not yet opened. Raises SourceError if the spec makes no sense."""
    scheme, rest = split_spec(spec)
    create = _registered.get(scheme)
    if create is None:
        try:
            create = importlib.import_module(SCHEMES[scheme]).create
        except ModuleNotFoundError as error:
            if error.name != SCHEMES[scheme]:
                raise
            raise SourceError(f"source {spec}: this build has no {scheme} source") from error
    return create(rest, options)


def open_source(
    spec: str,
    *,
    stream: str = "cam0",
    camera: CameraOption | None = None,
    hwaccel: str = "none",
    device: Device | None = None,
    threads: int = 0,
    realtime: bool = False,
) -> Source:
    """Create and open a source; iterate over it or call `read()`, then `close()`. Raises SourceError."""
    options = SourceOptions(
        stream=stream,
        camera=camera or CameraOption(),
        hwaccel=hwaccel,
        device=device,
        threads=threads,
        realtime=realtime,
    )
    source = create_source(spec, options)
    source.open()
    return source


def stream_name(spec: str, taken: Collection[str] = ()) -> str:
    """A name for the stream that tells what it is, fit for topics and file names, not among `taken`."""
    scheme, rest = spec.partition(":")[::2]
    if scheme in _URL_SCHEMES:
        url = urlsplit(spec)
        base = f"{url.hostname or scheme}{url.path}"
    elif scheme in ("test", "demo"):
        base = scheme
    elif scheme in SCHEMES and rest:
        rest = rest.partition("?")[0] if scheme in ("webcam", "log") else rest
        base = f"{scheme}{rest}" if scheme == "webcam" else Path(rest).stem
    else:
        base = Path(spec).stem
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("-.") or "stream"
    name, count = base, 2
    while name in taken:
        name, count = f"{base}-{count}", count + 1
    return name
