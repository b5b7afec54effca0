import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sinks.base import QueuePolicy, SinkThread
from tests.pipeline.frames import ListSink, make_frame, make_result

POLICIES = list(QueuePolicy)


def stalled(policy, capacity, submit):
    """A sink that is stuck in its first result while results 1..submit are handed over, then let go and closed."""
    gate = threading.Event()
    sink = ListSink(gate=gate)
    thread = SinkThread(sink, capacity, policy)
    thread.submit(make_result(0))
    while thread._queue:  # until the sink has taken it
        pass
    for index in range(1, submit + 1):
        thread.submit(make_result(index))
    gate.set()
    assert thread.close()
    return sink, thread


def test_drop_oldest_keeps_the_newest():
    sink, thread = stalled(QueuePolicy.DROP_OLDEST, 2, 5)
    assert sink.indices == [0, 4, 5]
    assert (thread.written, thread.dropped, sink.noted) == (3, 3, [])


def test_drop_newest_keeps_the_oldest_and_says_so(caplog):
    sink, thread = stalled(QueuePolicy.DROP_NEWEST_LOUDLY, 2, 5)
    assert sink.indices == [0, 1, 2]
    assert (thread.dropped, sink.noted) == (3, [3])
    assert "3 results were lost" in caplog.text


def test_block_waits_and_loses_nothing():
    gate = threading.Event()
    sink = ListSink(gate=gate)
    thread = SinkThread(sink, 2, QueuePolicy.BLOCK)
    submitted = []

    def submit_all():
        for index in range(10):
            thread.submit(make_result(index))
            submitted.append(index)

    submitter = threading.Thread(target=submit_all)
    submitter.start()
    submitter.join(0.2)
    assert submitter.is_alive() and len(submitted) <= 3, "one in the sink, two in the queue, then it waits"
    gate.set()
    submitter.join()
    thread.close()
    assert sink.indices == list(range(10)) and thread.dropped == 0


@settings(max_examples=30)
@given(st.sampled_from(POLICIES), st.integers(1, 4), st.integers(0, 12), st.none() | st.integers(0, 12))
def test_every_result_is_written_or_counted_as_dropped(policy, capacity, count, breaks_at):
    sink = ListSink(breaks_at=breaks_at)
    failures = []
    thread = SinkThread(sink, capacity, policy)
    thread.on_error = lambda name, error: failures.append((name, error.errno))
    for index in range(count):
        thread.submit(make_result(index))
    thread.close()
    assert thread.written + thread.dropped == count
    assert thread.written == len(sink.results)
    assert sink.indices == sorted(sink.indices)
    assert sink.closed == 1
    assert failures in ([], [("list", 28)]), "reported once at most"
    if policy is QueuePolicy.BLOCK and breaks_at is not None and breaks_at < count:
        assert failures and sink.indices == list(range(breaks_at))


def test_close_that_fails_is_reported():
    class Unclosable(ListSink):
        def close(self):
            raise OSError(5, "Input/output error")

    failures = []
    thread = SinkThread(Unclosable(), 1, QueuePolicy.BLOCK)
    thread.on_error = lambda name, error: failures.append(str(error))
    thread.submit(make_result())
    assert thread.close()
    assert failures == ["[Errno 5] Input/output error"] and thread.written == 1


def test_close_gives_up_on_a_sink_that_hangs():
    gate = threading.Event()
    thread = SinkThread(ListSink(gate=gate), 1, QueuePolicy.DROP_OLDEST)
    thread.submit(make_result())
    assert not thread.close(timeout_s=0.05)
    gate.set()
    assert thread.close()


def test_stream_filter_and_name():
    sink = ListSink("overlay")
    thread = SinkThread(sink, 8, QueuePolicy.BLOCK, stream="b")
    for index, stream in enumerate("abab"):
        thread.submit(make_result(index, stream))
    thread.close()
    assert thread.name == "overlay:b" and sink.indices == [1, 3] and thread.dropped == 0


def test_a_sink_without_need_for_pictures_keeps_none_alive():
    sink = ListSink()
    sink.wants_pictures = False
    thread = SinkThread(sink, 2, QueuePolicy.BLOCK)
    result = make_result(7)
    thread.submit(result)
    thread.close()
    kept = sink.results[0].frame
    assert kept.size == make_frame().size and kept.index == 7 and kept.capture_ns == result.frame.capture_ns
    assert kept.image.strides == (0, 0, 0) and not kept.image.any()


def test_idle_is_called_while_nothing_arrives():
    called = threading.Event()
    sink = ListSink()
    sink.idle = called.set
    thread = SinkThread(sink, 2, QueuePolicy.BLOCK)
    assert called.wait(10)
    thread.close()


def test_capacity_must_be_positive():
    with pytest.raises(ValueError, match="capacity of sink list is 0"):
        SinkThread(ListSink(), 0, QueuePolicy.BLOCK)
