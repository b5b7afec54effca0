"""Who is there: by frames, retirement, expiry and restart."""

from dataclasses import replace

import pytest

from engines.body import load_body
from pipeline.client import BodyFrame, Subscription
from pipeline.live_bodies import LiveBodies
from pipeline.sinks.wire_streams import WireStream
from pipeline.wire import encode
from tests.pipeline.synthetic_results import result

BODY = load_body()


@pytest.fixture(scope="module")
def frames() -> dict[tuple[int, ...], BodyFrame]:
    """Frames with these ids, as a client gives them."""
    stream = WireStream("cam1", epoch=5)
    with Subscription("tcp://127.0.0.1:1") as client:
        client.receive(encode(stream.static(BODY, None)))
        found = {}
        for ids in ((), (1,), (1, 2)):
            found[ids] = client.receive(encode(stream.frame(result(BODY, 0, ids), BODY, None)))
        return found


def ids(live: LiveBodies, now_s: float) -> list[int]:
    return sorted(body.track_id for body in live.at(now_s))


def test_a_body_outlives_a_missed_frame_but_not_its_expiry(frames):
    live = LiveBodies()
    live.update(frames[1, 2], 10.0)
    live.update(frames[1,], 10.5)
    assert ids(live, 10.9) == [1, 2]
    assert ids(live, 11.1) == [1]
    assert ids(live, 11.6) == []


def test_a_retired_body_goes_at_once(frames):
    live = LiveBodies()
    live.update(frames[1, 2], 10.0)
    live.update(replace(frames[1,], retired=(2,)), 10.1)
    assert ids(live, 10.1) == [1]


def test_an_id_retired_and_back_in_the_same_frame_is_there(frames):
    live = LiveBodies()
    live.update(replace(frames[1, 2], retired=(2,)), 10.0)
    assert ids(live, 10.0) == [1, 2]


def test_a_restart_forgets_everybody(frames):
    live = LiveBodies()
    live.update(frames[1, 2], 10.0)
    live.update(replace(frames[()], restarted=True), 10.1)
    assert ids(live, 10.1) == []
