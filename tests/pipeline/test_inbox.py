import threading

from hypothesis import given
from hypothesis import strategies as st

from pipeline.inbox import BLOCK_CAPACITY, FrameInbox
from pipeline.sources import Delivery
from tests.pipeline.frames import make_frame


def take_all(inbox):
    taken = []
    while items := inbox.take():
        taken.extend((frame.stream, frame.index) for frame, _ in items)
    return taken


@given(st.lists(st.booleans(), max_size=30))
def test_latest_lane_is_one_slot_and_the_newest_wins(steps):
    """True puts a frame, False takes one if there is one: what is taken is always the newest put."""
    inbox = FrameInbox({"s": Delivery.LATEST})
    newest, waiting, taken = -1, False, 0
    for is_put in steps:
        if is_put:
            newest, waiting = newest + 1, True
            assert inbox.put(make_frame(newest), {})
        elif waiting:
            ((frame, _),) = inbox.take()
            taken, waiting = taken + 1, False
            assert frame.index == newest
    assert inbox.dropped == {"s": newest + 1 - taken - waiting}


def test_block_lane_makes_its_source_wait():
    inbox = FrameInbox({"s": Delivery.BLOCK})
    done = []

    def fill():
        for index in range(20):
            inbox.put(make_frame(index), {})
            done.append(index)
        inbox.finish("s")

    source = threading.Thread(target=fill)
    source.start()
    while len(done) < BLOCK_CAPACITY:
        source.join(0.01)
    source.join(0.1)
    assert source.is_alive() and len(done) == BLOCK_CAPACITY
    assert take_all(inbox) == [("s", index) for index in range(20)]
    source.join()
    assert inbox.dropped == {"s": 0}


def test_a_long_queue_does_not_starve_a_short_one():
    inbox = FrameInbox({"a": Delivery.BLOCK, "b": Delivery.BLOCK, "c": Delivery.LATEST})
    for index in range(3):
        for stream in "abc":
            inbox.put(make_frame(index, stream), {})
    for stream in "abc":
        inbox.finish(stream)
    assert [s for s, _ in take_all(inbox)] == ["a", "b", "c", "a", "b", "a", "b"]


def test_close_wakes_everybody_and_keeps_what_was_read():
    inbox = FrameInbox({"s": Delivery.BLOCK, "t": Delivery.LATEST})
    for index in range(BLOCK_CAPACITY):
        inbox.put(make_frame(index), {})
    accepted = []
    blocked = threading.Thread(target=lambda: accepted.append(inbox.put(make_frame(99), {})))
    blocked.start()
    inbox.close()
    blocked.join(10)
    assert accepted == [False] and inbox.dropped["s"] == 1
    assert len(take_all(inbox)) == BLOCK_CAPACITY


def test_take_waits_for_the_last_lane():
    inbox = FrameInbox({"s": Delivery.BLOCK, "t": Delivery.LATEST})
    inbox.finish("s")
    taken = []
    taker = threading.Thread(target=lambda: taken.extend(take_all(inbox)))
    taker.start()
    inbox.put(make_frame(0, "t"), {})
    inbox.finish("t")
    taker.join(10)
    assert taken == [("t", 0)]
