"""The recorder on disks that are full (a real file system), slow (a pipe that nobody reads) or not writable."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from mcap.reader import make_reader

from pipeline.log import read_log
from pipeline.log_format import BODIES_TOPIC
from pipeline.sinks.recorder import Recorder, RecorderError
from tests.pipeline.sinks.results import make_result

ROOT = Path(__file__).parents[3]
NOBODY = 65534


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen within a minute"
        time.sleep(0.01)


def frames_of(*paths: Path) -> list[int]:
    found: list[int] = []
    for path in paths:
        with path.open("rb") as file:
            found += [json.loads(m.data)["frame"] for _, _, m in make_reader(file).iter_messages([BODIES_TOPIC])]
    return found


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, and a function that mounts it again with other options."""

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", f"size=256k,{options}", "bodystream-test", str(tmp_path)]
        return subprocess.run(command, capture_output=True).returncode == 0

    if os.geteuid() != 0 or not mount("rw"):
        pytest.skip("only root may mount the small file system that this test fills")
    yield tmp_path, mount
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_full_file_system_keeps_all_frames_and_says_so(small_disk, caplog):
    disk, _ = small_disk
    recorder = Recorder(disk / "a.mcap", metadata={}, flush_interval_s=0.02, rotate_bytes=30_000)
    recorder.write(make_result(0))
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(1 << 20))
    for index in range(1, 60):
        recorder.write(make_result(index))
        time.sleep(0.001)
    wait_until(lambda: recorder.counters.stalled)
    ballast.unlink()
    wait_until(lambda: not recorder.counters.stalled)
    recorder.close()
    assert recorder.counters.segments > 1 and recorder.counters.frames_dropped == 0
    assert sorted(frames_of(*disk.glob("*.mcap"))) == list(range(60))
    assert "No space left" in caplog.records[0].message and caplog.records[0].levelno == logging.ERROR
    assert "goes on" in caplog.records[1].message


def test_read_only_file_system_is_one_clear_error(small_disk):
    disk, mount = small_disk
    assert mount("ro")
    try:
        with pytest.raises(RecorderError, match=r"cannot record to .*a\.mcap: Read-only file system; choose a folder"):
            Recorder(disk / "a.mcap", metadata={})
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_slow_disk_never_makes_a_frame_wait(tmp_path, caplog):
    """The disk is a pipe that takes nothing until it is read: `write` goes on, drops beyond the bound, and resumes."""
    path = tmp_path / "disk.mcap"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    recorder = Recorder(path, metadata={}, flush_interval_s=0.02, max_pending_bytes=100_000)
    index = 0
    while recorder.counters.frames_dropped < 20:  # would never end if it waited for the disk
        recorder.write(make_result(index))
        index += 1
        time.sleep(0.001)
    os.set_blocking(reading, True)
    arrived = bytearray()
    reader = threading.Thread(target=lambda: [arrived.extend(d) for d in iter(lambda: os.read(reading, 1 << 16), b"")])
    reader.start()
    wait_until(lambda: recorder.counters.pending_bytes < 1000)
    recorder.write(make_result(index))
    recorder.close()
    reader.join(60)
    os.close(reading)
    copy = tmp_path / "copy.mcap"
    copy.write_bytes(arrived)
    log = read_log(copy)
    kept = [frame.frame for frame in log.frames]
    dropped = recorder.counters.frames_dropped
    assert log.complete and kept[-1] == index and len(kept) == index + 1 - dropped
    assert sum(event.count for event in log.events if event.kind == "dropped") == dropped


LOCKED_FOLDER = f"""
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
from pipeline.sinks.recorder import Recorder
from tests.pipeline.sinks.results import make_result
results = [make_result(index) for index in range(60)]
if os.geteuid() == 0:  # whom no permission stops
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
recorder = Recorder(folder / "a.mcap", metadata={{}}, flush_interval_s=0.02, rotate_bytes=20_000)
recorder.write(results[0])
os.chmod(folder, 0o555)
for result in results[1:]:
    recorder.write(result)
    time.sleep(0.001)
while not recorder.counters.stalled:
    time.sleep(0.01)
os.chmod(folder, 0o755)
while recorder.counters.stalled:
    time.sleep(0.01)
recorder.close()
print(recorder.counters.segments, recorder.counters.frames_dropped)
"""


def test_folder_that_becomes_read_only_between_two_files():
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", LOCKED_FOLDER, folder], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        segments, dropped = map(int, done.stdout.split())
        assert segments > 1 and dropped == 0
        assert "has stopped: Permission denied" in done.stderr
        assert sorted(frames_of(*Path(folder).glob("*.mcap"))) == list(range(60))
