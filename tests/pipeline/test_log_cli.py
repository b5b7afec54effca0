"""`bodystream log` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from pipeline.client import subscribe
from pipeline.log import read_log
from pipeline.log_cli import main
from pipeline.log_format import skeleton_record
from pipeline.sinks.recorder import Recorder
from tests.pipeline.sinks.results import make_result


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model="b", method="bilayer", weights={"w.onnx": "00ff"}))
    for index in range(30):
        recorder.write(make_result(index, people=index % 2))
    recorder.note_drops(3)
    recorder.close()
    return path


def test_info_tells_what_is_inside(log, capsys):
    assert main(["info", str(log)]) == 0
    text = capsys.readouterr().out
    for part in ("complete", "bilayer", "w.onnx@sha256:00ff", "64 x 48", "(assumed)", "30, index 0 to 29",
                 "15 with nobody", "1 tracks, 15 bodies", "1.0 s", "3 frames are missing"):  # fmt: skip
        assert part in text, part


def test_recover_a_cut_log(log, tmp_path, capsys):
    cut, out = tmp_path / "cut.mcap", tmp_path / "out.mcap"
    cut.write_bytes(log.read_bytes()[:-100])
    assert main(["info", str(cut)]) == 0
    assert "cut" in capsys.readouterr().out
    assert main(["recover", str(cut), str(out)]) == 0
    assert "31 messages recovered" in capsys.readouterr().out
    assert read_log(out).frames == read_log(log).frames


def test_export_prints_the_files(log, tmp_path, capsys):
    assert main(["export", str(log), str(tmp_path / "x.csv")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "x.csv")


def test_play_prints_every_frame(log, capsys):
    assert main(["play", str(log), "--speed", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30 and lines[0].endswith("nobody") and "#1 (+0.10 +0.20 +3.00) m" in lines[1]


def test_play_publishes_to_subscribers_with_fresh_times(log):
    code = "import sys; from pipeline.log_cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-u", "-c", code, "play", str(log), "--publish", "tcp://127.0.0.1:*", "--loop"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with subscribe(address, timeout_s=60) as frames:
            frame = next(f for f in frames if f.bodies)
        assert frame.index % 2 == 1 and len(frame.bodies) == 1
        np.testing.assert_allclose(frame.bodies[0].translation, (0.1, 0.2, 3.0), atol=0.001)
        # Fresh, not recorded: as old as `subscribe` may wait at most. The recording's times are years away.
        assert 0 <= time.monotonic_ns() - frame.capture_ns < 60e9
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["info", "missing.mcap"], 1, "cannot open the log missing.mcap"),
        (["info", __file__], 1, "is not a pose log"),
        (["export", "{log}", "x.bvh"], 1, "the suffix must be one of"),
        (["recover", "{log}", "{log}"], 1, "name another file"),
        (["play", "{log}", "--speed", "-1"], 2, "speed is -1.0"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(log, capsys, arguments, code, message):
    assert main([a.format(log=log) for a in arguments]) == code
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and "Traceback" not in captured.err
