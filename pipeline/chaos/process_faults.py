"""Faults of the machine and of the process itself."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
from random import Random

from pipeline.chaos.faults import FaultError, fault
from pipeline.chaos.stage import Stage
from pipeline.chaos.target import END_LIMIT_S

LOG_MAY_LOSE_S = 1.0


@fault("disk-full", "the file system of the log is full", scope="none")
def disk_full(stage: Stage, random: Random, _camera: str) -> str:
    seconds = random.uniform(0.5, 4)
    if stage.own_disk:
        ballast = stage.logs / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        time.sleep(seconds)
        ballast.unlink()
        return f"{seconds:.1f} s"
    newest = max(stage.logs.glob("*.mcap"), key=lambda path: path.stat().st_mtime)
    stage.target.limit(resource.RLIMIT_FSIZE, newest.stat().st_size)
    time.sleep(seconds)
    stage.target.limit(resource.RLIMIT_FSIZE, None)
    return f"{seconds:.1f} s, by a limit on file sizes"


@fault("no-descriptors", "nothing can be opened any more, while a camera and a subscriber have to be")
def no_descriptors(stage: Stage, random: Random, camera: str) -> str:
    from pipeline.chaos.subscriber_faults import subscriber

    seconds = random.uniform(0.5, 2)
    stage.target.limit(resource.RLIMIT_NOFILE, stage.target.lowest_free_descriptor())
    newcomer = subscriber(stage.address, stage.keys)
    stage.networks[camera].cut()
    time.sleep(0.05)
    stage.target.limit(resource.RLIMIT_NOFILE, stage.target.lowest_free_descriptor())  # it has let go of some
    time.sleep(seconds)
    stage.target.limit(resource.RLIMIT_NOFILE, None)
    newcomer.close()
    return f"{seconds:.1f} s"


@fault("estimator-stall", "the networks hang in a frame", scope="all")
def estimator_stall(stage: Stage, random: Random, _camera: str) -> str:
    seconds = random.uniform(0.5, 3)
    stage.target.tell(f"stall {seconds}")
    time.sleep(seconds)
    return f"{seconds:.1f} s"


@fault("clock-jump", "the wall clock of the machine jumps", scope="none")
def clock_jump(stage: Stage, random: Random, _camera: str) -> str:
    jump_s = random.choice((3600.0, -3600.0, 0.5, -86400.0 * 365))
    stage.target.tell(f"wall-clock {jump_s}")
    time.sleep(random.uniform(0.2, 1))
    return f"{jump_s:+g} s"


@fault("stop-continue", "the process is frozen and thawed", scope="all")
def stop_continue(stage: Stage, random: Random, _camera: str) -> str:
    seconds = random.uniform(0.3, 4)
    stage.target.signal(signal.SIGSTOP)
    time.sleep(seconds)
    stage.target.signal(signal.SIGCONT)
    return f"{seconds:.1f} s"


@fault("kill", "kill -9, and a supervisor starts it again", scope="all")
def kill(stage: Stage, random: Random, _camera: str) -> str:
    time.sleep(random.uniform(0, 1))  # somewhere between two flushes
    stage.target.signal(signal.SIGKILL)
    killed_s = time.monotonic()
    stage.target.kill()
    stage.excused.append((killed_s - LOG_MAY_LOSE_S, killed_s))
    return f"loaded in {_restart(stage):.1f} s"


@fault("terminate", "SIGTERM, and a supervisor starts it again", scope="all")
def terminate(stage: Stage, random: Random, _camera: str) -> str:
    stage.target.signal(signal.SIGTERM if random.random() < 0.5 else signal.SIGINT)
    code = stage.target.wait(END_LIMIT_S)
    stage.target.kill()
    loaded_s = _restart(stage)
    if code != 0:
        raise FaultError(f"asked to end, it {'did not' if code is None else f'ended with exit code {code}'}")
    return f"loaded in {loaded_s:.1f} s"


def _restart(stage: Stage) -> float:
    stage.restarted = True
    return stage.target.start()
