"""The program as a user runs it, in a process of its own: exit codes, error lines, signals, files."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import av
import pytest
from mcap.reader import make_reader

from pipeline.log import read_log
from tests.pipeline.sources.video_files import level_picture, write_video

ROOT = Path(__file__).parents[2]
CHEAP = [sys.executable, "tests/pipeline/bright_body.py"]
"""`bodystream run` with the estimator of bright_body.py."""
REAL = [sys.executable, "run_stream.py"]


def start(command, *arguments, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [*command, *map(str, arguments)], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process):
    out, err = process.communicate(timeout=240)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def run(*arguments, command=CHEAP, **environment):
    return finish(start(command, *arguments, **environment))


def error_lines(err):
    return [line for line in err.splitlines() if line.startswith("error: ")]


def logged_frames(path):
    with open(path, "rb") as file:
        return [json.loads(m.data)["frame"] for _, _, m in make_reader(file).iter_messages(topics=["/bodies"])]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    levels = [10 * i + 10 for i in range(20)]
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [level_picture(level, 96, 64) for level in levels])


def test_a_file_becomes_a_log_an_overlay_and_a_summary(clip, tmp_path):
    log, overlay, summary = tmp_path / "p.mcap", tmp_path / "o.mp4", tmp_path / "s.json"
    code, out, err = run("--source", clip, "--record", log, "--overlay", overlay, "--summary", summary)
    assert code == 0, err
    assert logged_frames(log) == list(range(20))
    with av.open(str(overlay)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20
    figures = json.loads(summary.read_text())
    assert (figures["frames_read"], figures["frames_processed"], figures["frames_dropped"]) == (20, 20, 0)
    assert figures["bodies"] == 20
    assert {"wall_s", "fps", "latency_ms", "stage_ms"} <= set(figures)
    for path in (log, overlay, summary):
        assert str(path) in out


def test_a_log_is_rotated_by_size_and_by_time(clip, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("rotate-mb = 0.00001\n")
    for name, flags in (("time", ["--rotate-minutes", "1e-9"]), ("size", ["--config", config])):
        folder = tmp_path / name
        code, _, err = run("--source", clip, "--record", folder / "p.mcap", *flags)
        assert code == 0, err
        files = sorted(folder.iterdir())
        assert len(files) > 1 and files[0].name == "p.0001.mcap"
        assert sorted(index for path in files for index in logged_frames(path)) == list(range(20))


def test_several_streams_share_a_log_and_have_an_overlay_each(clip, tmp_path):
    outputs = ["--overlay", tmp_path / "o.mp4", "--record", tmp_path / "p.mcap"]
    code, _, err = run("--source", clip, "--source", clip, "--max-frames", 5, *outputs)
    assert code == 0, err
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["o-clip-2.mp4", "o-clip.mp4"]
    assert sorted(logged_frames(tmp_path / "p.mcap")) == sorted([*range(5)] * 2)


def test_a_log_for_each_stream(clip, tmp_path):
    code, out, err = run("--source", clip, "--source", clip, "--max-frames", 5, "--record", tmp_path / "{stream}.mcap")
    assert code == 0, err
    for name in ("clip", "clip-2"):
        log = read_log(tmp_path / f"{name}.mcap")
        assert {frame.stream for frame in log.frames} == {name} and [frame.frame for frame in log.frames] == [*range(5)]
        assert {event.stream for event in log.events} == {name} and str(log.path) in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "there is no source"),
        (["--source", "test:", "--max-poeple", "3"], 2, "did you mean --max-people"),
        (["--source", "test:", "--method", "magic"], 2, "method is 'magic'"),
        (["--source", "test:", "--fov", "200"], 2, "between 0 and 180"),
        (["--source", "nowhere.mp4"], 3, "no such file"),
        (["--source", "README.md"], 3, "README.md"),
        (["--source", "webcam:77"], 3, "no such camera"),
        (["--source", "rtsp://user:secret@127.0.0.1:9/x"], 3, "rtsp://127.0.0.1:9/x"),
        (["--source", "test:seconds=1", "--record", "/proc/poses.mcap"], 1, "cannot write /proc/poses.mcap"),
        (["--source", "test:seconds=1", "--summary", "/dev/null/x/s.json"], 1, "cannot write /dev/null/x/s.json"),
        (["--source", "test:seconds=1", "--publish", "tcp://0.0.0.0:*"], 2, "--allow-plaintext"),
        (["--source", "test:seconds=1", "--publish", "5555"], 2, "tcp://HOST:PORT"),
        (["--source", "test:seconds=1", "--body", "/nowhere.npz"], 1, "/nowhere.npz"),
    ],
)
def test_each_mistake_is_one_clear_line_and_its_exit_code(arguments, code, words):
    got, _, err = run(*arguments, command=REAL)
    assert len(error_lines(err)) == 1 and words in err, err
    assert got == code and "secret" not in err


@pytest.mark.parametrize("content", [b"", b"just text\n" * 50])
def test_not_a_video(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    code, _, err = run("--source", path, command=REAL)
    assert code == 3 and len(error_lines(err)) == 1


def test_a_busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = run("--source", "test:seconds=1", "--publish", f"tcp://127.0.0.1:{port}", command=REAL)
    assert code == 1 and len(error_lines(err)) == 1 and str(port) in err


def test_a_cut_off_file_keeps_what_was_recorded(clip, tmp_path):
    whole = write_video(
        tmp_path / "w.mp4", [level_picture(i, 96, 64) for i in range(200)], container_options={"movflags": "faststart"}
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.8)])
    code, _, err = run("--source", cut, "--record", tmp_path / "p.mcap")
    assert code == 1
    assert len(error_lines(err)) == 1 and "ends early" in err
    frames = logged_frames(tmp_path / "p.mcap")
    assert frames == list(range(len(frames))) and len(frames) > 20


def test_a_broken_picture_in_a_folder(tmp_path):
    import cv2

    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), level_picture(100))
    (tmp_path / "b.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    code, _, err = run("--source", tmp_path, "--record", tmp_path / "p.mcap")
    assert code == 1 and "b.png" in err and len(error_lines(err)) == 1
    assert logged_frames(tmp_path / "p.mcap") == [0, 2]


def test_an_estimator_that_dies_says_why(clip, tmp_path):
    code, _, err = run("--source", clip, "--record", tmp_path / "p.mcap", BREAK_AT="7")
    assert code == 1 and error_lines(err) == ["error: estimator failed: RuntimeError: cannot think about frame 7"]
    assert logged_frames(tmp_path / "p.mcap") == list(range(7))


def wait_for(condition, process):
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_in_order(tmp_path, number):
    log, summary = tmp_path / "p.mcap", tmp_path / "s.json"
    process = start(CHEAP, "--source", "test:size=64x48", "--record", log, "--summary", summary)
    wait_for(lambda: log.exists() and log.stat().st_size > 3000, process)
    process.send_signal(number)
    code, out, err = finish(process)
    assert code == 0, err
    figures = json.loads(summary.read_text())
    assert figures["interrupted"] and figures["frames_processed"] == len(logged_frames(log)) > 0
    assert str(log) in out


def test_the_second_signal_exits_at_once(tmp_path):
    log = tmp_path / "p.mcap"
    process = start(CHEAP, "--source", "test:size=64x48", "--record", log, FRAME_S="1000")
    wait_for(lambda: log.exists(), process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first one waits for the frame that is being processed"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1


def test_interrupted_while_the_networks_load(tmp_path):
    process = start(CHEAP, "--source", "test:", "--publish", "ipc://" + str(tmp_path / "socket"), LOAD_S="1000")
    wait_for((tmp_path / "socket").exists, process)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 4 and "before anything was read" in err


def test_without_any_output_flag_there_is_a_folder_under_runs(clip, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / CHEAP[1]), "--source", str(clip), "--max-frames", "3"]
    done = subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert {p.name for p in folder.iterdir()} == {"poses.mcap", "overlay.mp4", "contact_sheet.png", "summary.json"}


def test_commands():
    bodystream = [sys.executable, "-m", "pipeline.cli"]
    code, out, _ = run("--help", command=bodystream)
    assert code == 0 and "doctor" in out
    code, _, err = run("dokter", command=bodystream)
    assert code == 2 and "did you mean doctor" in err
    code, out, _ = run("run", "--help", command=bodystream)
    assert code == 0 and "--max-frames" in out
    assert run(command=bodystream)[0] == 2


def test_the_command_line_needs_no_torch():
    code = "import sys, pipeline.cli, pipeline.sources.file, pipeline.assemble; sys.exit('torch' in sys.modules)"
    assert run("-c", code, command=[sys.executable])[0] == 0


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_dead_camera_beside_a_live_one_is_waited_for(tmp_path):
    log, summary = tmp_path / "p.mcap", tmp_path / "s.json"
    dead = f"rtsp://me:hunter2@127.0.0.1:{closed_port()}/x?token=hunter2"
    process = start(
        CHEAP, "--source", "test:size=64x48", "--source", dead, "--record", log, "--summary", summary,
        "--metrics-port", "0", "--log-format", "json", "--log-level", "info",
    )  # fmt: skip
    wait_for(lambda: log.exists() and log.stat().st_size > 3000, process)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert any("reconnecting" in line["message"] and "refused" in line["message"] for line in lines)
    with open(log, "rb") as file:
        events = [json.loads(m.data) for _, _, m in make_reader(file).iter_messages(topics=["/events"])]
    states = {(e["stream"], e["message"].partition(":")[0]) for e in events if e["kind"] == "state"}
    assert states >= {("test", "running"), ("test", "ended"), ("127.0.0.1-x", "reconnecting"), ("127.0.0.1-x", "ended")}
    streams = json.loads(summary.read_text())["streams"]
    assert streams["test"]["frames_processed"] > 0 and streams["127.0.0.1-x"]["frames_read"] == 0
    assert "hunter2" not in out + err + summary.read_text() + str(events)


def test_no_camera_at_all_is_an_error_that_keeps_the_secret():
    dead = f"rtsp://me:hunter2@127.0.0.1:{closed_port()}/"
    for sources in ([dead + "a"], [dead + "a", dead + "b"]):
        code, out, err = run(*(word for source in sources for word in ("--source", source)))
        assert code == 3 and len(error_lines(err)) == 1 and "refused" in err
        assert "hunter2" not in out + err


def test_without_a_gpu_tensorrt_is_refused_before_a_source_is_opened(tmp_path):
    hidden = {"CUDA_VISIBLE_DEVICES": ""}  # also where there is a GPU
    code, _, err = run("--source", tmp_path / "nothing.mp4", "--runtime", "tensorrt", **hidden)
    assert code == 1
    assert re.search(r"NVIDIA GPU.*driver.*bodystream\[tensorrt\].*--runtime openvino", err)
