import threading
from dataclasses import replace

import pytest

from pipeline.errors import SourceError
from pipeline.runner import Runner
from pipeline.sinks.base import QueuePolicy, SinkThread
from pipeline.sources import Delivery, SourceState
from tests.pipeline.bright_body import BrightBodyEstimator
from tests.pipeline.frames import CountedSource, ListSink

PATIENCE_S = 10.0
"""Nothing that is to happen takes nearly as long."""
MOMENT_S = 0.1
"""What must not happen would have happened by then."""


class Halves(BrightBodyEstimator):
    """Tells of the first frames when each one's look began and its lift ended; calls `lifting` in each lift."""

    def __init__(self, lifting):
        super().__init__()
        self.looked, self.lifted = ([threading.Event() for _ in range(40)] for _ in range(2))
        self.before_look = {}
        """Frame -> those lifted when its look began."""
        self.let_go = threading.Event()
        self._lifting = lifting

    def look(self, frames):
        for frame in frames:
            self.before_look[frame.index] = {index for index in range(frame.index) if self.lifted[index].is_set()}
            self.looked[frame.index].set()
        return super().look(frames)

    def lift(self, looked):
        for result in looked:
            self._lifting(self, result.frame.index)
            self.lifted[result.frame.index].set()
        return super().lift(looked)

    def close(self):
        super().close()
        self.let_go.set()


class Album(CountedSource):
    """Some of its pictures stand alone."""

    def __init__(self, count, alone):
        super().__init__(count)
        self._alone = alone

    def _next(self):
        frame = super()._next()
        return frame and replace(frame, unrelated=frame.index in self._alone)


def run(sources, sinks=(), estimator=None, **options):
    """Run with quiet errors; the outcome and what was said."""
    for source in sources:
        source.open()
    said = []
    runner = Runner(sources, estimator or BrightBodyEstimator(), list(sinks), on_error=said.append, **options)
    outcome = runner.run()
    assert list(outcome.errors) == said
    return outcome


def blocking(sink, capacity=2):
    return SinkThread(sink, capacity, QueuePolicy.BLOCK)


def test_a_finite_source_loses_nothing():
    sink, source, estimator = ListSink(), CountedSource(50), BrightBodyEstimator(frame_s=0.001)
    outcome = run([source], [blocking(sink)], estimator)
    assert sink.indices == list(range(50)) and sink.closed == 1
    assert source.state is SourceState.ENDED and estimator.closed
    summary = outcome.summary
    assert (summary["frames_read"], summary["frames_processed"], summary["frames_dropped"]) == (50, 50, 0)
    assert summary["bodies"] == 49, "frame 0 is black"
    assert summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert {"decode", "queue", "threshold", "list"} <= set(summary["stage_ms"])
    assert summary["sinks"]["list"] == {"written": 50, "dropped": 0, "figures": {"results": 50}}
    assert outcome.exit_code == 0


def test_a_live_source_drops_and_counts_and_stays_current():
    sink = ListSink()
    source = CountedSource(60, delivery=Delivery.LATEST, interval_s=0.002)
    summary = run([source], [blocking(sink)], BrightBodyEstimator(frame_s=0.02)).summary
    assert summary["frames_read"] == 60
    assert summary["frames_processed"] + summary["frames_dropped"] == 60
    assert summary["frames_dropped"] > 20
    assert sink.indices == sorted(sink.indices) and sink.indices[-1] == 59, "the newest frame is never lost"
    assert "decode" not in summary["stage_ms"], "a live source waits, that is no decoding"


def test_a_stuck_sink_does_not_hold_up_the_others():
    """The stuck sink is let go by the other one's last result, so this test ends only if that one got through."""
    gate = threading.Event()

    class Releasing(ListSink):
        def write(self, result):
            super().write(result)
            if result.frame.index == 29:
                gate.set()

    stuck, quick = ListSink("stuck", gate=gate), Releasing("quick")
    summary = run([CountedSource(30)], [SinkThread(stuck, 2, QueuePolicy.DROP_OLDEST), blocking(quick)]).summary
    assert quick.indices == list(range(30))
    assert stuck.indices[-1] == 29
    assert summary["sinks"]["stuck"]["dropped"] == 30 - len(stuck.results) > 0


def test_a_broken_sink_is_reported_once_and_the_others_go_on():
    broken, whole = ListSink("disk", breaks_at=3), ListSink("other")
    outcome = run([CountedSource(20)], [blocking(broken), blocking(whole)])
    assert broken.indices == [0, 1, 2] and broken.closed == 1
    assert whole.indices == list(range(20))
    assert len(outcome.errors) == 1 and "disk stopped" in outcome.errors[0] and "No space left" in outcome.errors[0]
    assert outcome.exit_code == 1


def test_a_source_that_breaks_leaves_the_rest_running():
    sink = ListSink()
    bad = CountedSource(3, stream="bad", breaks_with=SourceError("bad: the cable was pulled"))
    outcome = run([bad, CountedSource(20, stream="good")], [blocking(sink)])
    streams = [result.frame.stream for result in sink.results]
    assert streams.count("bad") == 3 and streams.count("good") == 20
    assert outcome.errors == ("bad: the cable was pulled",) and outcome.exit_code == 1
    assert bad.state is SourceState.FAILED


def test_a_bug_in_a_source_is_said_and_costs_its_stream_only():
    sink, other = ListSink(), CountedSource(50, stream="other", interval_s=0.001)
    buggy = CountedSource(2, stream="buggy", breaks_with=ZeroDivisionError("oops"))
    outcome = run([other, buggy], [blocking(sink)])
    assert outcome.exit_code == 1
    assert outcome.errors == ("source buggy failed: ZeroDivisionError: oops",)
    assert [result.frame.stream for result in sink.results].count("other") == 50
    assert outcome.summary["streams"]["buggy"]["state"] == "failed"


def cannot_lift_frame_5(halves, index):
    if index == 5:
        raise RuntimeError("cannot make bodies of frame 5")


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (BrightBodyEstimator(break_at=5), "cannot think about frame 5"),
        (Halves(cannot_lift_frame_5), "cannot make bodies of frame 5"),
    ],
)
def test_an_estimator_that_fails_ends_the_run_and_what_came_before_is_kept(estimator, reason):
    sink = ListSink()
    outcome = run([CountedSource(10**9, interval_s=0.001)], [blocking(sink)], estimator)
    assert sink.indices == [0, 1, 2, 3, 4] and sink.closed == 1 and estimator.closed
    assert outcome.errors == (f"estimator failed: RuntimeError: {reason}",)
    assert outcome.exit_code == 1
    summary = outcome.summary
    assert summary["frames_processed"] == 5
    assert summary["frames_read"] == summary["frames_processed"] + summary["frames_dropped"]


def test_a_look_that_fails_lets_the_bodies_before_it_be_published():
    class Blind(Halves):
        def look(self, frames):
            looked = super().look(frames)
            if frames[0].index == 5:
                raise RuntimeError("cannot see frame 5")
            return looked

    def slowly(halves, index):
        if index == 4:
            halves.looked[5].wait(PATIENCE_S)
            closed.append(halves.let_go.wait(MOMENT_S))

    closed = []
    sink = ListSink()
    outcome = run([CountedSource(10**9, interval_s=0.001)], [blocking(sink)], Blind(slowly))
    assert sink.indices == [0, 1, 2, 3, 4] and sink.closed == 1
    assert closed == [False], "engines are let go when nobody uses them any more"
    assert outcome.errors == ("estimator failed: RuntimeError: cannot see frame 5",) and outcome.exit_code == 1


def test_the_last_bodies_may_not_fail_unnoticed():
    sink = ListSink()
    outcome = run([CountedSource(6)], [blocking(sink)], Halves(cannot_lift_frame_5))
    assert sink.indices == [0, 1, 2, 3, 4]
    assert outcome.errors == ("estimator failed: RuntimeError: cannot make bodies of frame 5",)
    assert outcome.exit_code == 1


def test_the_next_frame_is_looked_at_while_bodies_are_made():
    """Each lift but the last ends only when the next look has begun."""
    count = 20

    def wait_for_the_next(halves, index):
        if index < count - 1 and not halves.looked[index + 1].wait(PATIENCE_S):
            raise RuntimeError(f"nobody looks at frame {index + 1}")

    sink, estimator = ListSink(), Halves(wait_for_the_next)
    outcome = run([CountedSource(count)], [blocking(sink)], estimator)
    assert outcome.errors == () and sink.indices == list(range(count))
    assert estimator.before_look == {index: set(range(index - 1)) for index in range(count)}


def test_no_look_begins_before_the_bodies_two_frames_back_are_made():
    def nobody_far_ahead(halves, index):
        if halves.looked[index + 2].wait(MOMENT_S):
            raise RuntimeError(f"frame {index + 2} was looked at during the lift of frame {index}")

    sink, estimator = ListSink(), Halves(nobody_far_ahead)
    outcome = run([CountedSource(6)], [blocking(sink)], estimator)
    assert outcome.errors == () and sink.indices == list(range(6))
    assert all(estimator.before_look[index] >= set(range(index - 1)) for index in range(6))


def test_a_picture_that_stands_alone_waits_for_all_bodies_before_it():
    alone = {2, 3}

    def check(halves, index):
        following = halves.looked[index + 1]
        if index + 1 in alone:
            if following.wait(MOMENT_S):
                raise RuntimeError(f"frame {index + 1} was looked at during the lift of frame {index}")
        elif index < 5 and not following.wait(PATIENCE_S):
            raise RuntimeError(f"nobody looks at frame {index + 1}")

    sink, estimator = ListSink(), Halves(check)
    outcome = run([Album(6, alone)], [blocking(sink)], estimator)
    assert outcome.errors == () and sink.indices == list(range(6))
    assert all(estimator.before_look[index] == set(range(index)) for index in alone)


def test_frames_whose_bodies_are_known_keep_their_place():
    class Replayed(CountedSource):
        def _next(self):
            frame = super()._next()
            return frame and (replace(frame, bodies=()) if frame.index % 3 else frame)

    sink, estimator = ListSink(), Halves(lambda halves, index: halves.looked[index + 3].wait(0.01))
    outcome = run([Replayed(30)], [blocking(sink)], estimator)
    assert outcome.errors == () and sink.indices == list(range(30))
    assert sorted(estimator.before_look) == list(range(0, 30, 3))


def test_max_frames_counts_per_source():
    estimator = BrightBodyEstimator()
    run([CountedSource(9, stream="a"), CountedSource(9, stream="b")], estimator=estimator, max_frames=4)
    assert sorted(estimator.seen) == [(s, i) for s in "ab" for i in range(4)]


def test_stop_drains_and_is_no_error():
    sink = ListSink()
    source = CountedSource(10**9, interval_s=0.001)
    source.open()
    runner = Runner(
        [source], BrightBodyEstimator(), [blocking(sink)], on_progress=lambda p: p.frames > 5 and runner.stop()
    )
    runner._status_interval_s = 0.01
    outcome = runner.run()
    assert outcome.exit_code == 0 and outcome.errors == ()
    assert sink.indices == list(range(len(sink.indices))) and len(sink.indices) == outcome.summary["frames_processed"]
    assert outcome.summary["interrupted"]


def test_stopped_before_anything_was_read():
    source = CountedSource(10**9, interval_s=10)
    source.open()
    runner = Runner([source], BrightBodyEstimator(), [])
    runner.stop()
    assert runner.run().exit_code == 4


def test_a_run_needs_a_source():
    with pytest.raises(ValueError, match="no source"):
        Runner([], BrightBodyEstimator(), [])


def test_overloaded_no_stream_starves_and_drops_are_fair():
    """Two cameras of very different rates, an estimator that keeps up with neither."""
    fast = CountedSource(300, stream="fast", delivery=Delivery.LATEST, interval_s=0.002)
    slow = CountedSource(100, stream="slow", delivery=Delivery.LATEST, interval_s=0.006)
    sink = ListSink()
    streams = run([fast, slow], [blocking(sink)], BrightBodyEstimator(frame_s=0.008)).summary["streams"]
    order = [result.frame.stream for result in sink.results]
    both = order[: order.index("slow", len(order) - 1 - order[::-1].index("slow")) + 1]
    assert "fastfastfast" not in "".join(both), "a frame of the slow stream never waits for two of the fast one"
    for stream, total in (("fast", 300), ("slow", 100)):
        figures = streams[stream]
        assert figures["frames_read"] == total == figures["frames_processed"] + figures["frames_dropped"]
        assert figures["frames_dropped"] > 0
        assert figures["state"] == "ended"


def test_a_thread_of_a_sink_that_dies_silently_ends_the_run():
    class Fragile(ListSink):
        def __init__(self):
            super().__init__("fragile")
            self.worker = threading.Thread(target=lambda: None)
            self.worker.start()
            self.worker.join()
            self.threads = (self.worker,)

    outcome = run([CountedSource(10**9, interval_s=0.001)], [blocking(Fragile())])
    assert outcome.errors == ("a thread of fragile died",) and outcome.exit_code == 1


def test_a_thread_that_is_ended_from_inside_is_noticed():
    """SystemExit ends a thread without a word."""
    outcome = run([CountedSource(3, breaks_with=SystemExit(0)), CountedSource(10**9, stream="t", interval_s=0.001)])
    assert outcome.exit_code == 1 and "SystemExit" in outcome.errors[0]
