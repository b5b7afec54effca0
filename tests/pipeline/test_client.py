"""The client against the real publisher and against publishers that misbehave."""

import random
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import zmq

from engines.body import load_body
from pipeline.client import BodyModelMismatchError, StreamTimeoutError, subscribe
from pipeline.endpoint import EndpointError
from pipeline.sinks.publisher import Publisher
from pipeline.wire import RetireMessage, RetireReason, WireError, encode
from pipeline.wire.layout import MAX_PART_BYTES
from tests.pipeline.synthetic_results import result
from tests.pipeline.wire.golden_messages import messages
from tests.pipeline.wire.test_fuzz import damaged

BODY = load_body()
GOLDEN = messages()


@pytest.fixture
def raw():
    """A bare XPUB socket, to send whatever one likes."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as pub:
        pub.linger, pub.rcvtimeo, pub.sndhwm = 0, 10_000, 0
        pub.bind("tcp://127.0.0.1:0")
        yield pub


def join(pub, **kwargs):
    """A subscription that has arrived at `pub`."""
    subscription = subscribe(pub.getsockopt_string(zmq.LAST_ENDPOINT), **{"timeout_s": 10, **kwargs})
    for _ in range(3):
        pub.recv()
    return subscription


def frame(sequence, epoch=1, stream="cam1"):
    return encode(replace(GOLDEN["frame"], sequence=sequence, epoch=epoch, stream=stream))


def static(epoch=1, stream="cam1"):
    return encode(replace(GOLDEN["static"], epoch=epoch, stream=stream))


@pytest.mark.parametrize("mesh", [False, True])
def test_bodies_arrive_as_they_were(mesh):
    publisher = Publisher("tcp://127.0.0.1:0", BODY, mesh=mesh)
    sent = result(BODY, 5, (3, 8))
    with subscribe(publisher.bound_address, timeout_s=10) as frames:
        while publisher.subscribers < 1:
            time.sleep(0.01)
        publisher.write(sent)
        got = next(frames)
    publisher.close()
    assert (got.stream, got.index, got.image_size) == ("cam1", 5, (1280, 720))
    assert got.capture_ns == sent.frame.capture_ns and 0 < got.publish_delay_s < got.latency_s
    assert got.latency_s < 60  # `next` gave up after 10 s; with clocks mixed up it would be decades
    assert got.intrinsics.assumed and got.intrinsics.fx == pytest.approx(sent.frame.intrinsics.fx)
    assert [body.track_id for body in got.bodies] == [3, 8]
    for body, tracked in zip(got.bodies, sent.bodies, strict=True):
        truth = tracked.estimate
        posed = BODY.forward(truth.pose, truth.betas, truth.translation, 1)
        # 0.1 mm by quantisation of the mesh; 0.3 mm where 1.5e-4 rad and 1/4096 sd act on the parameters.
        assert np.abs(body.vertices(1) - posed.vertices[0]).max() < (1e-4 if mesh else 3e-4)
        assert np.abs(body.joints() - posed.joints[0]).max() < 3e-4
        assert (body.mesh is not None) == mesh
        assert body.vertices(0).shape == (BODY.level_sizes[0], 3)


def test_parameters_of_another_body_model_are_not_posed_with_this_one(raw):
    with join(raw) as frames:
        raw.send_multipart(static())
        raw.send_multipart(frame(0))
        with pytest.raises(BodyModelMismatchError, match="body-0-0123456789ab"):
            next(frames).bodies[0].vertices()


def test_gaps_are_counted(raw):
    with join(raw) as frames:
        raw.send_multipart(static())
        for sequence in (2**32 - 2, 2**32 - 1, 3, 3, 2, 4):  # across the wrap; a repetition and a latecomer are ignored
            raw.send_multipart(frame(sequence))
        assert [next(frames).lost for _ in range(4)] == [0, 0, 3, 0]
        assert (frames.stats.lost, frames.stats.ignored) == (3, 2)


def test_a_restart_of_the_publisher_is_recognised():
    publisher = Publisher("tcp://127.0.0.1:0", BODY)
    address = publisher.bound_address
    with subscribe(address, timeout_s=20) as frames:
        flags = []
        for _ in range(2):
            while publisher.subscribers < 1:  # a ZeroMQ socket renews its subscriptions only while somebody reads it
                assert frames.next_frame(0.01) is None
            publisher.write(result(BODY, 0))
            publisher.write(result(BODY, 1))
            flags += [next(frames).restarted, next(frames).restarted]
            publisher.close()
            publisher = Publisher(address, BODY)
        publisher.close()
        assert flags == [False, False, True, False]
        assert (frames.stats.restarts, frames.stats.lost) == (1, 0)


def test_frames_wait_for_the_static_message_of_their_epoch(raw):
    with join(raw) as frames:
        for message in (frame(0), static(), frame(1), frame(0, epoch=2), static(epoch=2), frame(1, epoch=2)):
            raw.send_multipart(message)
        assert [next(frames).restarted for _ in range(2)] == [False, True]
        assert frames.stats.ignored == 2


def test_retired_ids_come_with_the_next_frame(raw):
    retire = RetireMessage(stream="cam1", epoch=1, sequence=0, reason=RetireReason.LEFT, track_ids=(7,))
    with join(raw) as frames:
        for message in (static(), frame(0), encode(retire), encode(replace(retire, epoch=2)), frame(1), frame(2)):
            raw.send_multipart(message)
        assert [next(frames).retired for _ in range(3)] == [(), (7,), ()]


def test_one_stream_of_many(raw):
    with join(raw, stream="cam1") as frames:
        for stream in ("cam10", "cam2", "cam1"):
            raw.send_multipart(static(stream=stream))
            raw.send_multipart(frame(0, stream=stream))
        assert next(frames).stream == "cam1"
        assert frames.next_frame(0.2) is None


def test_latest_gives_the_newest_frame_of_each_stream(raw):
    with join(raw, latest=True) as frames:
        for stream in ("a", "b"):
            raw.send_multipart(static(stream=stream))
            for sequence in range(10):
                raw.send_multipart(frame(sequence, stream=stream))
        time.sleep(1)  # 22 small messages on loopback take a millisecond: all of them wait in the queue now
        got = [next(frames), next(frames)]
        assert {f.stream for f in got} == {"a", "b"}
        assert (frames.stats.skipped, frames.stats.lost) == (18, 0)


def test_hostile_messages_are_counted_and_the_good_ones_arrive(raw):
    rng = random.Random(5)
    with join(raw) as frames:
        raw.send_multipart(static(stream="good"))
        for sequence in range(50):
            raw.send_multipart(frame(sequence, stream="good"))
            for _ in range(5):
                parts = damaged(rng)
                if parts and not parts[0].startswith(b"s/good"):
                    raw.send_multipart(parts)
        good = 0
        while good < 50:
            good += next(frames).stream == "good"
        assert frames.stats.malformed > 20


def test_an_oversized_message_ends_the_connection_not_the_client(raw):
    with join(raw) as frames:
        raw.send_multipart([b"f/cam1/", bytes(MAX_PART_BYTES + 1)])
        requests: list[bytes] = []
        while requests.count(b"\x01f/") < 1:  # its connection ends, it comes again
            assert frames.next_frame(0.01) is None
            requests += [raw.recv()] if raw.poll(0) else []
        raw.send_multipart(static())
        raw.send_multipart(frame(0))
        assert next(frames).index == 300


def test_a_flood_of_garbage_does_not_hold_up_a_timeout(raw):
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            raw.send_multipart([b"f/x/", b"garbage"])

    with join(raw) as frames:
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            while not frames.stats.malformed:
                assert frames.next_frame(0.05) is None
        finally:
            stop.set()
            thread.join()


def test_silence_ends_with_an_error_that_says_what_to_check(raw):
    with join(raw, timeout_s=0.1) as frames, pytest.raises(StreamTimeoutError, match=r"no frame for 0\.1 s"):
        next(frames)


def test_a_closed_subscription_ends_its_loop(raw):
    frames = join(raw)
    frames.close()
    frames.close()
    assert list(frames) == []


def test_impossible_arguments_are_refused():
    with pytest.raises(EndpointError):
        subscribe("5555")
    with pytest.raises(WireError):
        subscribe("tcp://127.0.0.1:5555", stream="a/b")
