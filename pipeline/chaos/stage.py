"""What a campaign plays on: two cameras behind bad networks, the program under test, its log folder, an observer."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.chaos.camera import Camera
from pipeline.chaos.observer import Observer
from pipeline.chaos.proxy import FINE, FaultyProxy
from pipeline.chaos.target import Target
from pipeline.errors import BodystreamError
from pipeline.keys import create as create_keys

DISK_MB = 256
"""Size of the file system for the logs, where one can be mounted."""
ROTATE_MINUTES = 0.5


@dataclass(slots=True)
class Stage:
    """Faults act on these."""

    cameras: dict[str, Camera]
    networks: dict[str, FaultyProxy]
    target: Target
    observer: Observer
    address: str
    """Of the program's publisher."""
    keys: Path
    logs: Path
    own_disk: bool
    """The log folder is a small file system of its own."""
    patience_s: float
    """A stream has to be back within this."""
    excused: list[tuple[float, float]] = field(default_factory=list)
    """Spans of capture time (s) in which frames may be missing from the log: the second before a kill."""
    restarted: bool = False
    """The fault has replaced the process."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


@contextlib.contextmanager
def set_up(folder: Path, *, estimator: str, patience_s: float, seed: int, fps: float) -> Iterator[Stage]:
    """Everything running, both streams flowing. Raises BodystreamError if it does not get that far."""
    with ExitStack() as stack:
        logs = folder / "logs"
        logs.mkdir()
        own_disk = _mount(logs)
        if own_disk:
            stack.callback(subprocess.run, ["umount", "-l", str(logs)], check=False)
        keys = folder / "keys"
        create_keys(keys)
        cameras, networks = {}, {}
        for number, name in enumerate(("door", "yard")):
            cameras[name] = Camera(fps=fps)
            stack.callback(cameras[name].stop)
            networks[name] = FaultyProxy(cameras[name].address, seed=seed + number)
            stack.callback(networks[name].close)
        address = f"tcp://127.0.0.1:{free_port()}"
        target = Target([estimator, *_flags(folder, networks, address, keys, logs)], folder / "stderr.txt")
        stack.callback(target.kill)
        observer = Observer(address, keys, reads_bar=estimator == "bright")
        stack.callback(observer.close)
        target.start()
        stage = Stage(
            cameras=cameras, networks=networks, target=target, observer=observer, address=address, keys=keys,
            logs=logs, own_disk=own_disk, patience_s=patience_s,
        )  # fmt: skip
        deadline_s = time.monotonic() + 60
        while {seen.stream for seen in observer.seen()} != set(cameras):
            if time.monotonic() > deadline_s or not target.alive:
                raise BodystreamError(f"the streams do not come up; the program said: {target.last_words()}")
            time.sleep(0.05)
        yield stage


def calm(stage: Stage) -> None:
    """Whatever a fault left behind, this is good weather."""
    for camera, network in zip(stage.cameras.values(), stage.networks.values(), strict=True):
        camera.silent, network.weather = False, FINE


def _flags(folder: Path, networks: dict[str, FaultyProxy], address: str, keys: Path, logs: Path) -> list[str]:
    config = folder / "run.toml"
    config.write_text(
        "".join(
            f'[[source]]\nspec = "http://{network.address[0]}:{network.address[1]}/{name}.ts"\nname = "{name}"\n'
            for name, network in networks.items()
        )
    )
    record = ["--record", str(logs / "poses.mcap"), "--rotate-minutes", str(ROTATE_MINUTES)]
    return ["--config", str(config), "--publish", address, "--keys", str(keys), *record, "--quiet"]


def _mount(folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "bodystream-chaos", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
