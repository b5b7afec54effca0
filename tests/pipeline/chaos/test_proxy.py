"""The bad network: what it does to bytes, against a plain echo of a known stream."""

import contextlib
import socket
import threading

import pytest

from pipeline.chaos.camera import PERIOD_S, paint, picture_age_s
from pipeline.chaos.proxy import FINE, FaultyProxy, Weather

DATA = bytes(range(256)) * 2000


@pytest.fixture
def server():
    """Sends DATA to everyone who connects, then closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.sendall(DATA)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


@pytest.fixture
def proxy(server):
    proxy = FaultyProxy(server, seed=1)
    yield proxy
    proxy.close()


def received(proxy):
    with socket.create_connection(proxy.address, timeout=60) as client:
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("weather", [FINE, Weather(delay_s=0.3), Weather(bytes_per_s=2_000_000)])
def test_late_is_not_lost(proxy, weather):
    proxy.weather = weather
    assert received(proxy) == DATA


def test_loss_and_corruption(proxy):
    proxy.weather = Weather(loss=0.5)
    assert 0.2 * len(DATA) < len(received(proxy)) < 0.8 * len(DATA)
    proxy.weather = Weather(corruption=1.0)
    wrong = received(proxy)
    assert len(wrong) == len(DATA) and wrong != DATA
    assert sum(a != b for a, b in zip(wrong, DATA, strict=True)) < 0.05 * len(DATA)


def test_stall_holds_back_and_lets_go(proxy):
    proxy.weather = Weather(stalled=True)
    with socket.create_connection(proxy.address) as client:
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
        proxy.weather = FINE
        client.settimeout(60)
        assert b"".join(iter(lambda: client.recv(65536), b"")) == DATA


def test_wrong_answer_and_cut(proxy):
    proxy.weather = Weather(answer=b"gone fishing")
    assert received(proxy) == b"gone fishing"
    proxy.weather = Weather(stalled=True)
    with socket.create_connection(proxy.address, timeout=60) as client:
        while not proxy.connections:
            pass
        proxy.cut()
        assert client.recv(1) == b""


@pytest.mark.parametrize("moment_s", [0.0, 3.21, 7.99, 12345.6])
@pytest.mark.parametrize("age_s", [0.0, 0.5, 6.0])
def test_the_picture_tells_its_age(moment_s, age_s):
    picture = paint(moment_s, (320, 240))[:240]
    bright = (picture[0] > 128).nonzero()[0]
    if bright[-1] - bright[0] > 160:  # the bar wraps around the edge
        bright = (bright + 160) % 320 - 160
    read_s = picture_age_s(float(bright.mean()) + 0.5, 320, moment_s + age_s)
    assert read_s == pytest.approx(age_s, abs=0.5 * PERIOD_S / 320)
