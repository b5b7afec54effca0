"""The batcher: its bound holds, and no stream starves, whatever arrives when and however long the calls take."""

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.batcher import BatchPolicy
from pipeline.inbox import FrameInbox
from pipeline.sources import Delivery
from tests.pipeline.frames import make_frame

SECONDS = st.floats(0, 0.5).map(lambda value: round(value, 6))


@st.composite
def worlds(draw):
    """Arrival times per stream, the durations of calls, a policy."""
    streams = draw(st.integers(1, 6))
    gaps = draw(st.lists(st.lists(SECONDS, min_size=1, max_size=12), min_size=streams, max_size=streams))
    arrivals = {f"s{i}": [sum(row[: k + 1]) for k in range(len(row))] for i, row in enumerate(gaps)}
    calls_s = draw(st.lists(SECONDS, min_size=1, max_size=5))
    most = draw(st.none() | st.integers(1, 7))
    return arrivals, calls_s, BatchPolicy(bound_s=draw(SECONDS), most=most)


def play(arrivals, calls_s, policy):
    """Cameras (the newest frame replaces what waits) before one engine. Yields (start, end, {stream: since})."""
    events = sorted((when, stream) for stream, row in arrivals.items() for when in row)
    left = {stream: len(row) for stream, row in arrivals.items()}
    since, now, calls = {}, 0.0, 0
    while events or since:
        while events and events[0][0] <= now:
            when, stream = events.pop(0)
            since.setdefault(stream, when)
            left[stream] -= 1
        absent = sum(left[stream] > 0 and stream not in since for stream in left)
        streams, wait_s = policy.next_call(since, absent, now)
        if not streams:
            assert wait_s > 0
            ahead = events[0][0] if events else math.inf
            assert min(ahead, now + wait_s) < math.inf, "it waits for nothing"
            now = max(min(ahead, now + wait_s), math.nextafter(now, math.inf))
            continue
        end = now + calls_s[calls % len(calls_s)]
        calls += 1
        yield now, end, {stream: since.pop(stream) for stream in streams}
        now = end


@given(worlds())
def test_no_stream_waits_longer_than_the_bound_and_the_calls_before_it(world):
    arrivals, calls_s, policy = world
    # With room for all streams that is the call that was under way; else those in which the others go first.
    turns = 1 if policy.most is None else math.ceil(len(arrivals) / policy.most)
    allowed_s = policy.bound_s + turns * max(calls_s)
    for start, _, taken in play(arrivals, calls_s, policy):
        for stream, since_s in taken.items():
            assert start - since_s <= allowed_s + 1e-6, stream


@given(worlds())
def test_every_stream_is_served_and_no_call_is_too_large(world):
    arrivals, _, policy = world
    served = [taken for _, _, taken in play(*world)]
    assert {stream for taken in served for stream in taken} == set(arrivals)
    assert all(1 <= len(taken) <= (policy.most or math.inf) for taken in served)


@given(worlds())
def test_a_full_call_starts_at_once(world):
    """Nobody waits for a stream that has nothing more to say."""
    arrivals, calls_s, policy = world
    policy = BatchPolicy(bound_s=1000.0, most=policy.most)
    arrivals = {stream: [row[0]] for stream, row in arrivals.items()}
    starts = [start for start, _, _ in play(arrivals, calls_s, policy)]
    assert starts[0] <= max(row[0] for row in arrivals.values()) + 1e-9


def test_the_inbox_waits_for_the_other_stream():
    """A bound of minutes: `take` returns because both are there, or this test runs into its time limit."""
    inbox = FrameInbox(dict.fromkeys("ab", Delivery.LATEST), BatchPolicy(bound_s=200.0))
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(inbox.take()), daemon=True)
    inbox.put(make_frame(0, stream="a"), {})
    thread.start()
    thread.join(0.2)
    assert not taken
    inbox.put(make_frame(0, stream="b"), {})
    thread.join(60)
    assert [frame.stream for frame, _ in taken] == ["a", "b"]


def test_the_inbox_waits_no_longer_than_the_bound_and_not_for_a_stream_that_has_ended():
    inbox = FrameInbox(dict.fromkeys("ab", Delivery.LATEST), BatchPolicy(bound_s=0.01))
    inbox.put(make_frame(0, stream="b"), {})
    assert [frame.stream for frame, _ in inbox.take()] == ["b"]
    patient = FrameInbox(dict.fromkeys("ab", Delivery.LATEST), BatchPolicy(bound_s=200.0))
    patient.put(make_frame(0, stream="b"), {})
    patient.finish("a")
    assert [frame.stream for frame, _ in patient.take()] == ["b"]


def test_who_waited_longest_goes_first_also_after_its_frame_was_replaced():
    inbox = FrameInbox(dict.fromkeys("abc", Delivery.LATEST), BatchPolicy(most=2), clock=iter(range(99)).__next__)
    for stream, index in (("c", 0), ("a", 0), ("b", 0), ("c", 1)):
        inbox.put(make_frame(index, stream=stream), {})
    assert [(frame.stream, frame.index) for frame, _ in inbox.take()] == [("c", 1), ("a", 0)]
    inbox.put(make_frame(2, stream="c"), {})
    assert [frame.stream for frame, _ in inbox.take()] == ["b", "c"]


@pytest.mark.parametrize("wrong", [{"bound_s": -1}, {"bound_s": math.nan}, {"most": 0}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must"):
        BatchPolicy(**wrong)
