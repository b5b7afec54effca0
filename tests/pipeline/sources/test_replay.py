import itertools
from dataclasses import replace

import numpy as np
import pytest

from engines.body import load_body
from pipeline.runner import Runner
from pipeline.sinks.base import QueuePolicy, SinkThread
from pipeline.sinks.recorder import Recorder
from pipeline.sources import SourceError, SourceState, open_source
from tests.pipeline.bright_body import BrightBodyEstimator
from tests.pipeline.frames import CountedSource, ListSink
from tests.pipeline.synthetic_results import result


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A log of two streams, one frame each 20 ms, and what was recorded of the stream `door`."""
    path = tmp_path_factory.mktemp("log") / "run.mcap"
    body, door = load_body(), []
    recorder = Recorder(path, metadata={"body_model": body.identity})
    for index in range(10):
        for stream in ("door", "hall"):
            one = result(body, index, (1, 2) if index != 5 else (), stream=stream)
            one = replace(one, frame=replace(one.frame, capture_ns=10**9 + index * 20_000_000))
            recorder.write(one)
            door += [one] if stream == "door" else []
    recorder.close()
    return path, door


def test_bodies_come_back_as_they_were_recorded(recorded):
    path, door = recorded
    with open_source(f"log:{path}?speed=0&stream=door", stream="again") as source:
        frames = list(source)
    assert source.state is SourceState.ENDED
    assert [f.index for f in frames] == list(range(10)) and {f.stream for f in frames} == {"again"}
    for frame, was in zip(frames, door, strict=True):
        assert frame.size == was.frame.size and frame.pts_s == pytest.approx(was.frame.pts_s, abs=1e-6)
        assert frame.intrinsics.assumed
        assert [b.track_id for b in frame.bodies] == [b.track_id for b in was.bodies]
        for now, then in zip(frame.bodies, was.bodies, strict=True):
            np.testing.assert_allclose(now.estimate.joints, then.estimate.joints, atol=1e-4)
    captured = [f.capture_ns for f in frames]
    assert captured == sorted(captured) and captured[0] > door[0].frame.capture_ns


def test_the_estimator_is_passed_by_beside_a_stream_that_needs_it(recorded):
    path, door = recorded
    sink, estimator = ListSink(), BrightBodyEstimator()
    sources = [open_source(f"log:{path}?speed=0&stream=door", stream="again"), CountedSource(7, stream="camera")]
    sources[1].open()
    outcome = Runner(sources, estimator, [SinkThread(sink, 2, QueuePolicy.BLOCK)]).run()
    assert outcome.exit_code == 0
    assert {stream for stream, _ in estimator.seen} == {"camera"}
    replayed = [r for r in sink.results if r.frame.stream == "again"]
    assert [len(r.bodies) for r in replayed] == [len(r.bodies) for r in door]


def test_its_own_pace(recorded):
    path, _ = recorded
    with open_source(f"log:{path}?stream=door&speed=2") as source:
        assert source.paced
        captured = [frame.capture_ns for frame in source]
    assert all(b - a > 0 for a, b in itertools.pairwise(captured))
    assert captured[-1] - captured[0] >= 9 * 0.02 / 2 * 1e9 - 5e6, "never faster than recorded"


@pytest.mark.parametrize(
    "query,complaint",
    [("", "door, hall"), ("?stream=attic", "no stream 'attic'"), ("?speed=-1", "speed is -1"), ("?sped=1", "'sped'")],
)
def test_nonsense_is_refused(recorded, query, complaint):
    with pytest.raises(SourceError, match=complaint):
        open_source(f"log:{recorded[0]}{query}")


def test_no_log(tmp_path):
    (tmp_path / "x.mcap").write_text("hello, I am no log")
    for name in ("x.mcap", "y.mcap"):
        with pytest.raises(SourceError):
            open_source(f"log:{tmp_path / name}")
