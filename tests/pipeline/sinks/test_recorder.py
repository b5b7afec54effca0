"""The recorder against the mcap library's own readers, a real SIGKILL and a real full disk."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from mcap.exceptions import EndOfFile
from mcap.reader import make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader

from engines.keypoints import COCO_NAMES, JOINT_NAMES
from pipeline.log_format import BODIES_TOPIC, EVENTS_TOPIC, skeleton_record
from pipeline.sinks.recorder import Recorder, RecorderError
from tests.pipeline.sinks.results import make_result, random_body

SKELETON = skeleton_record(body_model="test-body", method="bilayer", weights={"trunk.onnx": "ab12"})


def record(path: Path, results: list, **options: object) -> Recorder:
    recorder = Recorder(path, metadata=SKELETON, **options)
    for result in results:
        recorder.write(result)
    recorder.close()
    return recorder


def messages(path: Path, topic: str = BODIES_TOPIC) -> list[tuple[dict, Message, dict]]:
    with path.open("rb") as file:
        found = [(json.loads(m.data), m, json.loads(s.data)) for s, _, m in make_reader(file).iter_messages([topic])]
    return found


def test_every_frame_is_there_and_obeys_the_schema(tmp_path):
    results = [make_result(i, people=i % 3) for i in range(40)]
    record(tmp_path / "a.mcap", results)
    found = messages(tmp_path / "a.mcap")
    assert [data["frame"] for data, _, _ in found] == list(range(40))
    assert [len(data["bodies"]) for data, _, _ in found] == [i % 3 for i in range(40)]
    for (data, message, schema), result in zip(found, results, strict=True):
        jsonschema.validate(data, schema)
        assert message.log_time == message.publish_time == data["timestamp_ns"] == result.frame.capture_ns
        assert list(data) == ["stream", "frame", "timestamp_ns", "pts_s", "image_size", "camera", "bodies"]
        assert data["image_size"] == [64, 48]
        assert set(data["camera"]) == {"fx", "fy", "cx", "cy"}


def test_numbers_survive_within_the_rounding(tmp_path):
    result = make_result(3, people=1)
    record(tmp_path / "a.mcap", [result])
    body = messages(tmp_path / "a.mcap")[0][0]["bodies"][0]
    assert list(body) == [
        "track_id", "score", "quality", "box_xyxy", "keypoints_2d", "joints_3d", "pose", "betas", "translation",
    ]  # fmt: skip
    estimate = result.bodies[0].estimate
    for name, truth, tolerance in (
        ("keypoints_2d", estimate.points_px, 0.0051),
        ("joints_3d", estimate.joints, 0.000051),
        ("pose", estimate.pose, 0.0000051),
        ("betas", estimate.betas, 0.000051),
        ("translation", estimate.translation, 0.000051),
        ("box_xyxy", result.bodies[0].box_xyxy, 0.0051),
    ):
        assert np.array(body[name]).shape == truth.shape
        np.testing.assert_allclose(body[name], truth, atol=tolerance, rtol=0, err_msg=name)
    assert len(json.dumps(body["pose"])) < 24 * 3 * 11, "rounded numbers are short"


def test_metadata_names_the_skeleton_and_marks_an_assumed_camera(tmp_path):
    record(tmp_path / "a.mcap", [make_result(0, stream="a"), make_result(0, stream="b"), make_result(1, stream="a")])
    with (tmp_path / "a.mcap").open("rb") as file:
        records = [(m.name, m.metadata) for m in make_reader(file).iter_metadata()]
    skeleton = dict(records)["skeleton"]
    assert skeleton["joint_names"].split(",") == list(JOINT_NAMES)
    assert skeleton["keypoint_names"].split(",")[:17] == list(COCO_NAMES)
    assert len(skeleton["keypoint_names"].split(",")) == 41
    assert skeleton["body_model"] == "test-body"
    assert skeleton["weights"] == "trunk.onnx@sha256:ab12"
    assert skeleton["camera_assumed"] == "true"
    assert [m["stream"] for name, m in records if name == "camera"] == ["a", "b"]
    assert [name for name, _ in records].count("skeleton") == 1
    clock = dict(records)["clock"]
    assert abs(int(clock["unix_ns"]) - time.time_ns()) < 60e9


def test_a_log_without_any_frame_opens(tmp_path):
    record(tmp_path / "a.mcap", [])
    assert messages(tmp_path / "a.mcap") == []


def test_bodies_with_nan_are_left_out_and_said(tmp_path):
    rng = np.random.default_rng(0)
    bad = random_body(rng, 2, joints=np.full((24, 3), np.nan, np.float32))
    unknown_quality = random_body(rng, 1, quality=float("nan"))
    record(tmp_path / "a.mcap", [make_result(0, bodies=(unknown_quality, bad))])
    (body,) = messages(tmp_path / "a.mcap")[0][0]["bodies"]
    assert (body["track_id"], body["quality"]) == (1, -1.0)
    ((event, _, schema),) = messages(tmp_path / "a.mcap", EVENTS_TOPIC)
    jsonschema.validate(event, schema)
    assert (event["kind"], event["count"], event["stream"]) == ("invalid_body", 1, "cam")


WRITE_FOREVER = """
import sys, time
from pipeline.sinks.recorder import Recorder
from tests.pipeline.sinks.results import make_result
recorder = Recorder(sys.argv[1], metadata={})
index = 0
while True:
    recorder.write(make_result(index))
    print(time.monotonic_ns(), index, flush=True)
    index += 1
    time.sleep(0.02)
"""


def test_kill_9_loses_at_most_the_last_second(tmp_path):
    path = tmp_path / "killed.mcap"
    process = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    while len(lines) < 90:
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    written = [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
    assert written[-1][0] - written[0][0] > 1.5e9

    with path.open("rb") as file:
        frames = []
        with pytest.raises(EndOfFile):
            for record in StreamReader(file).records:
                if isinstance(record, Message):
                    frames.append(json.loads(record.data)["frame"])
    assert frames == list(range(len(frames))), "nothing is missing in the middle"
    last_moment_ns = written[-1][0]
    older_than_a_second = [index for moment_ns, index in written if moment_ns < last_moment_ns - 1e9]
    # What is printed was handed over; the recorder flushes twice a second, in a process that stops as a whole.
    assert len(frames) > len(older_than_a_second) > 0


def test_flushed_although_no_more_frames_arrive(tmp_path):
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, metadata={})
    recorder.write(make_result(0))
    wait_until(lambda: recorder.counters.pending_bytes == 0 and recorder.counters.bytes_written > 0)
    with path.open("rb") as file, pytest.raises(EndOfFile):
        count = 0
        for r in StreamReader(file).records:
            count += isinstance(r, Message)
    assert count == 1
    recorder.close()


def wait_until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not happen within 10 s")


@pytest.fixture
def file_size_limit():
    """Set the largest file size of this process: writes beyond it fail as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size if size else soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_loses_nothing_up_to_the_bound(tmp_path, file_size_limit, caplog):
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, metadata={}, flush_interval_s=0.02)
    file_size_limit(6000)
    for index in range(50):
        recorder.write(make_result(index))
    wait_until(lambda: recorder.counters.stalled)
    assert os.path.getsize(path) <= 6000
    file_size_limit(0)
    wait_until(lambda: not recorder.counters.stalled)
    recorder.write(make_result(50))
    recorder.close()
    assert [data["frame"] for data, _, _ in messages(path)] == list(range(51))
    assert messages(path, EVENTS_TOPIC) == []
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"], (
        "said once when it stops, once when it resumes"
    )


def test_full_disk_drops_beyond_the_bound_and_says_so_in_the_log(tmp_path, file_size_limit, caplog):
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, metadata={}, flush_interval_s=0.02, max_pending_bytes=30_000)
    file_size_limit(6000)
    index = 0
    while recorder.counters.frames_dropped < 10:
        recorder.write(make_result(index))
        index += 1
        time.sleep(0.002)
    file_size_limit(0)
    wait_until(lambda: not recorder.counters.stalled)
    recorder.write(make_result(index))
    recorder.close()
    frames = [data["frame"] for data, _, _ in messages(path)]
    assert frames[-1] == index, "recording resumed"
    assert len(frames) == len(set(frames)) == index + 1 - recorder.counters.frames_dropped
    events = [data for data, _, _ in messages(path, EVENTS_TOPIC)]
    assert sum(event["count"] for event in events) == recorder.counters.frames_dropped >= 10
    assert {event["kind"] for event in events} == {"dropped"}


def test_disk_that_never_recovers_leaves_a_readable_log_and_an_error(tmp_path, file_size_limit, caplog, monkeypatch):
    monkeypatch.setattr("pipeline.sinks.recorder.CLOSE_GRACE_S", 0.1)
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, metadata={}, flush_interval_s=0.02)
    file_size_limit(20_000)
    for index in range(60):
        recorder.write(make_result(index))
        time.sleep(0.002)
    recorder.close()
    assert any("is cut" in r.message for r in caplog.records if r.levelno >= logging.ERROR)
    assert recorder.report()["bytes_lost"] > 0
    with path.open("rb") as file, pytest.raises(EndOfFile):
        frames = []
        for r in StreamReader(file).records:
            if isinstance(r, Message):
                frames.append(json.loads(r.data)["frame"])
    assert len(frames) > 3 and frames == list(range(len(frames)))


def test_lost_in_a_full_queue_is_in_the_log(tmp_path):
    recorder = Recorder(tmp_path / "a.mcap", metadata={})
    recorder.write(make_result(0))
    recorder.note_drops(7)
    recorder.close()
    assert [data["count"] for data, _, _ in messages(tmp_path / "a.mcap", EVENTS_TOPIC)] == [7]
    assert recorder.report()["frames_lost"] == 7


@pytest.mark.parametrize("bad", ["/dev/null/x.mcap", "/proc/nothing/x.mcap"])
def test_a_path_that_cannot_be_written_is_one_clear_error(bad):
    with pytest.raises(RecorderError, match=r"cannot record to /.*x\.mcap: .*; choose a folder"):
        Recorder(bad, metadata={})


def test_nonsense_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least once a second"):
        Recorder(tmp_path / "a.mcap", metadata={}, flush_interval_s=2)
    with pytest.raises(ValueError, match="max_pending_bytes is 0"):
        Recorder(tmp_path / "a.mcap", metadata={}, max_pending_bytes=0)
    recorder = record(tmp_path / "a.mcap", [])
    recorder.close()
    with pytest.raises(ValueError, match="closed"):
        recorder.write(make_result(0))


def test_rotation_by_time_gives_complete_files(tmp_path):
    record(tmp_path / "run.mcap", [make_result(i) for i in range(100)], rotate_s=1.0)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["run.0001.mcap", "run.0002.mcap", "run.0003.mcap", "run.mcap"]
    frames = [[data["frame"] for data, _, _ in messages(tmp_path / name)] for name in [names[-1], *names[:-1]]]
    assert [index for part in frames for index in part] == list(range(100))
    assert {len(part) for part in frames[:3]} == {31}, "one second of 30 Hz and the frame that ends it"


def test_rotation_by_size(tmp_path):
    recorder = Recorder(tmp_path / "run.mcap", metadata=SKELETON, rotate_bytes=40_000, flush_interval_s=0.01)
    for index in range(100):
        recorder.write(make_result(index))
        time.sleep(0.002)
    recorder.close()
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == recorder.counters.segments > 2
    assert sorted(data["frame"] for path in paths for data, _, _ in messages(path)) == list(range(100))


def test_one_file_takes_so_many_chunks_only(tmp_path):
    """Their index lies in memory. The files that follow overwrite none of an earlier run."""
    record(tmp_path / "run.mcap", [make_result(i) for i in range(40)], rotate_s=1.0)
    earlier = (tmp_path / "run.0001.mcap").read_bytes()
    recorder = Recorder(tmp_path / "run.mcap", metadata=SKELETON, flush_interval_s=0.01, max_flushes=3)
    count = 0
    while recorder.counters.segments < 3 and count < 5000:
        recorder.write(make_result(count))
        count += 1
        time.sleep(0.005)
    recorder.close()
    written = [tmp_path / "run.mcap", *sorted(tmp_path.glob("run.*.mcap"))[1:]]
    assert len(written) == recorder.counters.segments == 3
    assert [data["frame"] for path in written for data, _, _ in messages(path)] == list(range(count))
    for path in written:
        with path.open("rb") as file:
            assert len(make_reader(file).get_summary().chunk_indexes) <= 3 + 1, "the last is that of finishing"
    assert (tmp_path / "run.0001.mcap").read_bytes() == earlier


def test_rotating_logs_of_an_earlier_run_are_never_overwritten(tmp_path):
    def recorded() -> dict[str, list[int]]:
        return {p.name: [data["frame"] for data, _, _ in messages(p)] for p in sorted(tmp_path.glob("run*"))}

    record(tmp_path / "run.mcap", [make_result(i) for i in range(40)], rotate_s=1.0)
    before = recorded()
    assert set(before) == {"run.mcap", "run.0001.mcap"}
    (tmp_path / "run.mcap").unlink()  # somebody makes room: order stays, numbers are not used again
    record(tmp_path / "run.mcap", [make_result(i) for i in range(100, 140)], rotate_s=1.0)
    after = recorded()
    assert set(after) == {"run.0001.mcap", "run.0002.mcap", "run.0003.mcap"}
    assert after["run.0001.mcap"] == before["run.0001.mcap"]
    assert after["run.0002.mcap"] + after["run.0003.mcap"] == list(range(100, 140))


def test_an_unfinished_log_is_kept_and_a_finished_one_replaced(tmp_path):
    path = tmp_path / "run.mcap"
    record(path, [make_result(0)])
    record(path, [make_result(1)])
    assert [p.name for p in tmp_path.iterdir()] == ["run.mcap"]
    path.write_bytes(path.read_bytes()[:-20])
    unfinished = path.read_bytes()
    record(path, [make_result(2)])
    assert (tmp_path / "run.unfinished-1.mcap").read_bytes() == unfinished
    assert [data["frame"] for data, _, _ in messages(path)] == [2]


def test_no_thread_and_no_descriptor_is_left(tmp_path):
    before = set(os.listdir("/proc/self/fd")), threading.active_count()
    for index in range(3):
        record(tmp_path / f"{index}.mcap", [make_result(i) for i in range(100)], rotate_s=1.0)
    assert (set(os.listdir("/proc/self/fd")), threading.active_count()) == before
