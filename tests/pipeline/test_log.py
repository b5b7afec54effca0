"""The reader and `recover` on logs that are cut at every chunk boundary, at random bytes, or damaged."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.records import Chunk
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from engines.keypoints import JOINT_NAMES, POINT_NAMES
from pipeline.log import LogError, body_of, iter_frames, read_log, recover_log, result_of
from pipeline.log_format import skeleton_record
from pipeline.sinks.recorder import Recorder
from tests.pipeline.sinks.results import make_result

FRAMES = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """A complete log of 60 frames in many chunks."""
    path = tmp_path_factory.mktemp("log") / "whole.mcap"
    metadata = skeleton_record(body_model="test-body", method="bilayer", weights={})
    recorder = Recorder(path, metadata=metadata)
    for index in range(FRAMES):
        recorder.write(make_result(index, people=index % 3))
        if index % 5 == 4:
            with recorder._lock:
                recorder._writer.flush()  # a chunk boundary, without waiting for the clock
    recorder.close()
    return path.read_bytes()


def chunk_ends(data: bytes, path: Path) -> list[tuple[int, int]]:
    """(end of a chunk in the file, frames up to there), from the file's own index."""
    path.write_bytes(data)
    with path.open("rb") as file:
        summary = make_reader(file).get_summary()
        assert summary is not None
        ends, frames = [], 0
        indexes = {index.chunk_start_offset: index for index in summary.chunk_indexes}
        for start in sorted(indexes):
            file.seek(start + 9)
            frames += 5
            ends.append((start + indexes[start].chunk_length, frames))
    return ends


def indices(path: Path) -> list[int]:
    return [frame.frame for frame in read_log(path).frames]


def test_a_complete_log(whole, tmp_path):
    path = tmp_path / "a.mcap"
    path.write_bytes(whole)
    log = read_log(path)
    assert log.complete and log.damaged_chunks == 0
    assert [frame.frame for frame in log.frames] == list(range(FRAMES)) == [f.frame for f in iter_frames(path)]
    assert log.joint_names == JOINT_NAMES and log.keypoint_names == POINT_NAMES
    assert log.metadata["method"] == "bilayer"
    assert log.cameras["cam"]["assumed"] == "true"


def test_replayed_results_equal_the_recorded_ones(whole, tmp_path):
    path = tmp_path / "a.mcap"
    path.write_bytes(whole)
    for message in read_log(path).frames[:6]:
        result, truth = result_of(message), make_result(message.frame, people=message.frame % 3)
        assert result.frame.size == truth.frame.size and result.frame.capture_ns == truth.frame.capture_ns
        assert result.frame.intrinsics.fx == pytest.approx(truth.frame.intrinsics.fx, abs=0.01)
        for body, true in zip(result.bodies, truth.bodies, strict=True):
            assert body.track_id == true.track_id
            for name in ("pose", "betas", "translation", "joints"):
                np.testing.assert_allclose(getattr(body.estimate, name), getattr(true.estimate, name), atol=1e-4)


def test_unknown_quality_comes_back_as_nan(whole, tmp_path):
    path = tmp_path / "a.mcap"
    recorder = Recorder(path, metadata={})
    result = make_result(0)
    object.__setattr__(result.bodies[0].estimate, "quality", float("nan"))
    recorder.write(result)
    recorder.close()
    assert np.isnan(body_of(read_log(path).frames[0].bodies[0]).estimate.quality)


def test_cut_at_every_chunk_boundary_everything_before_it_is_saved(whole, tmp_path):
    ends = chunk_ends(whole, tmp_path / "whole.mcap")
    assert len(ends) >= 12
    for end, frames in ends:
        for shift in (-1, 0):
            cut, saved = tmp_path / "cut.mcap", tmp_path / "saved.mcap"
            cut.write_bytes(whole[: end + shift])
            found = recover_log(cut, saved)
            expected = frames - (5 if shift < 0 else 0)
            assert indices(cut) == indices(saved) == list(range(expected))
            assert found.messages == expected and not found.was_complete
            assert read_log(saved).complete


def test_cut_at_random_bytes(whole, tmp_path):
    rng = random.Random(5)
    ends = chunk_ends(whole, tmp_path / "whole.mcap")
    cuts = [*range(10), *(rng.randrange(len(whole)) for _ in range(50)), *(len(whole) - i for i in range(1, 10))]
    for cut_at in cuts:
        cut, saved = tmp_path / "cut.mcap", tmp_path / "saved.mcap"
        cut.write_bytes(whole[:cut_at])
        assert not recover_log(cut, saved).was_complete
        expected = max([frames for end, frames in ends if end <= cut_at], default=0)
        assert indices(saved) == list(range(expected)), f"cut at byte {cut_at}"
        with saved.open("rb") as file:
            assert sum(1 for _ in make_reader(file).iter_messages()) == expected, "the library's reader opens it"


def test_recovering_a_complete_log_copies_it(whole, tmp_path):
    path, copy = tmp_path / "a.mcap", tmp_path / "b.mcap"
    path.write_bytes(whole)
    assert recover_log(path, copy).was_complete
    a, b = read_log(path), read_log(copy)
    assert (a.frames, a.metadata, a.cameras) == (b.frames, b.metadata, b.cameras)


def test_a_damaged_chunk_costs_only_its_own_frames(whole, tmp_path):
    path = tmp_path / "a.mcap"
    path.write_bytes(whole)
    with path.open("rb") as file:
        chunks = [r for r in StreamReader(file, emit_chunks=True).records if isinstance(r, Chunk)]
    at = whole.index(chunks[3].data) + len(chunks[3].data) // 2
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
    log = read_log(path)
    assert log.damaged_chunks == 1
    assert [frame.frame for frame in log.frames] == [i for i in range(FRAMES) if not 15 <= i < 20]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_never_raise_anything_but_a_log_error(whole, tmp_path, data):
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(1, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mcap"
    path.write_bytes(bytes(damaged))
    try:
        frames = read_log(path).frames
    except LogError:
        return
    assert {frame.frame for frame in frames} <= set(range(FRAMES))


def test_what_is_no_log_is_said(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("hello, this is no log")
    with pytest.raises(LogError, match="is not a pose log"):
        read_log(text)
    with pytest.raises(LogError, match="No such file"):
        read_log(tmp_path / "missing.mcap")
    other = tmp_path / "other.mcap"
    with other.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/bodies", "json", 0)
        writer.add_message(channel, 0, b'{"surprise": 1}', 0)
        writer.finish()
    with pytest.raises(LogError, match="does not fit the pose log's format"):
        read_log(other)


def test_recover_does_not_overwrite_its_input(whole, tmp_path):
    path = tmp_path / "a.mcap"
    path.write_bytes(whole[:5000])
    with pytest.raises(LogError, match="name another file"):
        recover_log(path, path)
    with pytest.raises(LogError, match="cannot write"):
        recover_log(path, "/dev/null/out.mcap")
    assert path.read_bytes() == whole[:5000]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mcap"]
