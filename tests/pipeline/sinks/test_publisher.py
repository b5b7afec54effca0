"""The publisher over real sockets: late joiners, leavers, slow and hostile subscribers, addresses, bytes."""

import logging
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import zmq

from engines.body import load_body
from pipeline.client import subscribe
from pipeline.endpoint import is_local
from pipeline.errors import UsageError
from pipeline.sinks.publisher import PortBusyError, Publisher, PublishError
from pipeline.wire import FrameMessage, GeometryMessage, RetireMessage, RetireReason, SourceState, StaticMessage, decode
from tests.pipeline.synthetic_results import result

BODY = load_body()


@pytest.fixture
def publisher():
    publisher = Publisher("tcp://127.0.0.1:0", BODY)
    yield publisher
    publisher.close()


@pytest.fixture
def raw(publisher):
    """A plain SUB socket on everything, joined and heard."""
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.linger, sub.rcvtimeo = 0, 5000
        sub.subscribe(b"")
        sub.connect(publisher.bound_address)
        wait_for(lambda: publisher.subscribers == 1)
        yield sub


def wait_for(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def receive(sub, kind, skip=()):
    """The next message of a kind; what comes before it must not be in `skip`."""
    while not isinstance(message := decode(sub.recv_multipart()), kind):
        assert not isinstance(message, skip)
    return message


def play(publisher, start, stop, ids=(1,), **kwargs):
    for index in range(start, stop):
        publisher.write(result(BODY, index, ids, **kwargs))
        time.sleep(0.02)


def test_who_joins_late_is_told_everything(publisher):
    play(publisher, 0, 3)
    with zmq.Context() as context, context.socket(zmq.SUB) as sub:
        sub.linger, sub.rcvtimeo = 0, 5000
        sub.subscribe(b"")
        sub.connect(publisher.bound_address)
        static = receive(sub, StaticMessage)
        assert (static.body_model, static.epoch, static.sequence) == (BODY.identity, publisher.epoch, 2)
        geometry = receive(sub, GeometryMessage)
        np.testing.assert_array_equal(geometry.faces, BODY.faces[1])
        np.testing.assert_allclose(
            geometry.joints_rest + geometry.joints_shapedirs @ np.ones(10), BODY.joints_rest(np.ones(10))[0], atol=1e-5
        )
        publisher.write(result(BODY, 3))
        assert receive(sub, FrameMessage).frame == 3


def test_static_comes_again_while_nothing_else_does(publisher, raw):
    play(publisher, 0, 1)
    receive(raw, FrameMessage)
    first, second = receive(raw, StaticMessage), receive(raw, StaticMessage)
    elapsed = second.monotonic_anchor_ns - first.monotonic_anchor_ns
    # The two clocks are read one after the other; one that is not read again is off by the second between messages.
    assert elapsed > 0 and abs(second.wall_anchor_ns - first.wall_anchor_ns - elapsed) < 500_000_000


def test_state_of_the_source_is_told_at_once(publisher, raw):
    publisher.set_state("cam1", SourceState.RECONNECTING)
    wait_for(lambda: receive(raw, StaticMessage).state is SourceState.RECONNECTING)


def test_who_leaves_is_retired_but_not_who_is_hidden_for_a_moment(publisher, raw):
    play(publisher, 0, 2, (1, 2))
    play(publisher, 2, 5, (1,))
    play(publisher, 5, 6, (1, 2))
    publisher.write(result(BODY, 6, (1,)))
    while receive(raw, FrameMessage, skip=RetireMessage).frame < 6:
        pass
    threading.Thread(target=play, args=(publisher, 7, 50, (1,))).start()
    retired = receive(raw, RetireMessage)
    assert (retired.track_ids, retired.reason) == ((2,), RetireReason.LEFT)


def test_unrelated_pictures_retire_at_once(publisher, raw):
    publisher.write(result(BODY, 0, (1,), unrelated=True))
    publisher.write(result(BODY, 1, (2,), unrelated=True))
    assert receive(raw, RetireMessage).track_ids == (1,)


def test_closing_retires_everybody(publisher, raw):
    play(publisher, 0, 2, (4, 5))
    publisher.close()
    retired = receive(raw, RetireMessage)
    assert (retired.track_ids, retired.reason) == ((4, 5), RetireReason.STREAM_CLOSED)


def test_streams_count_for_themselves(publisher, raw):
    for index in range(3):
        publisher.write(result(BODY, index, stream="a"))
    publisher.write(result(BODY, 0, stream="b"))
    seen = [receive(raw, FrameMessage) for _ in range(4)]
    assert [(m.stream, m.sequence) for m in seen] == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]


def test_a_body_with_a_bad_number_stays_out_and_is_counted(publisher, raw):
    good = result(BODY, 0, (1, 2))
    bad = replace(good.bodies[0].estimate, pose=np.full((24, 3), np.nan, np.float32))
    publisher.write(replace(good, bodies=(replace(good.bodies[0], estimate=bad), good.bodies[1])))
    assert [body.track_id for body in receive(raw, FrameMessage).bodies] == [2]
    assert publisher.report()["bodies_refused"] == 1


def test_a_subscriber_that_never_reads_harms_nobody():
    publisher = Publisher("tcp://127.0.0.1:0", BODY, mesh=True, mesh_level=0)
    with zmq.Context() as context, context.socket(zmq.SUB) as dead, subscribe(publisher.bound_address) as live:
        dead.linger, dead.rcvhwm, dead.rcvbuf = 0, 1, 4096
        dead.subscribe(b"")
        dead.connect(publisher.bound_address)
        wait_for(lambda: publisher.subscribers == 2)
        for index in range(150):  # 12 MB: more than socket buffers and the queue of 32 take
            publisher.write(result(BODY, index, (1, 2)))
            frame = live.next_frame(5)
            assert frame is not None and frame.index == index
        dead.rcvtimeo = (
            1000  # the queue is at hand on loopback; ended too soon, it has seen less of it, which is no failure
        )
        seen = []
        try:
            while True:
                if isinstance(message := decode(dead.recv_multipart()), FrameMessage):
                    seen.append(message.sequence)
        except zmq.Again:
            pass
        assert seen == sorted(seen) and 0 < len(seen) < 150
        assert live.stats.lost == 0
    publisher.close()


def test_garbage_from_subscribers_is_ignored(publisher):
    host, port = publisher.bound_address.removeprefix("tcp://").split(":")
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 5000,
        b"",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL" + b"\0" * 99,
    ):
        with socket.create_connection((host, int(port))) as plain:
            plain.sendall(garbage)
    with zmq.Context() as context, context.socket(zmq.XSUB) as hostile:
        hostile.linger = 0
        hostile.connect(publisher.bound_address)
        for garbage in (b"", b"\x02hello", b"\x01" + b"f" * 900, b"\x01" * 5000, b"\x00f/", b"\x01\xff\xfe"):
            hostile.send_multipart([garbage, garbage])
        with subscribe(publisher.bound_address, timeout_s=10) as frames:
            wait_for(lambda: publisher.subscribers >= 1)
            play(publisher, 0, 5)
            assert next(frames).bodies[0].track_id == 1


@pytest.mark.parametrize("people", [1, 3])
def test_parameters_take_at_most_64_kbit_per_s_and_person(people):
    """Counted on the wire, by a relay between publisher and subscriber: TCP payload of everything but the handshake."""
    publisher = Publisher("tcp://127.0.0.1:0", BODY)
    with Relay(publisher.bound_address) as relay, subscribe(relay.address, stream="cam1", timeout_s=10) as frames:
        wait_for(lambda: publisher.subscribers == 1)
        publisher.write(result(BODY, 0, tuple(range(people))))
        next(frames)
        before = relay.bytes
        for index in range(1, 61):  # two seconds' worth
            publisher.write(result(BODY, index, tuple(range(people))))
            next(frames)
        kbit_per_s = (relay.bytes - before) * 8 / 1000 / 2
    publisher.close()
    assert 40 * people < kbit_per_s <= 64 * people, f"{kbit_per_s:.1f} kbit/s"


class Relay:
    """Forwards one TCP connection and counts what flows towards the client."""

    def __init__(self, address: str) -> None:
        self.bytes = 0
        host, port = address.removeprefix("tcp://").split(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._target)
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)

    def _pump(self, source: socket.socket, target: socket.socket, count: bool) -> None:
        try:
            while data := source.recv(65536):
                if count:
                    self.bytes += len(data)
                target.sendall(data)
        except OSError:
            pass
        target.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


def test_a_busy_port_is_an_error_of_its_own(publisher):
    with pytest.raises(PortBusyError, match="in use") as error:
        Publisher(publisher.bound_address, BODY)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://192.168.1.5:5555", "tcp://[::]:0"])
def test_other_machines_need_keys(address):
    with pytest.raises(UsageError, match="--allow-plaintext"):
        Publisher(address, BODY)


def test_plaintext_can_be_allowed_and_is_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        Publisher("tcp://0.0.0.0:0", BODY, allow_plaintext=True).close()
    assert "without keys" in caplog.text


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:5555", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "udp://127.0.0.1:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="tcp://HOST:PORT"):
        Publisher(address, BODY)


def test_an_address_of_another_machine_cannot_be_bound():
    with pytest.raises(PublishError, match=r"192\.0\.2\.1"):
        Publisher("tcp://192.0.2.1:5555", BODY, allow_plaintext=True)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("tcp://127.0.0.1:5555", True),
        ("tcp://localhost:*", True),
        ("tcp://[::1]:5555", True),
        ("ipc:///tmp/x", True),
        ("tcp://example.org:5555", False),
        ("tcp://10.0.0.1:5555", False),
    ],
)
def test_local_addresses_are_known(address, local):
    assert is_local(address) is local
