"""RTSP against GStreamer's server, where it is installed."""

import threading
import time

import pytest

from pipeline.sources import SourceError, SourceState, open_source
from pipeline.sources.capture_clock import CaptureClock
from tests.pipeline.sources.live_source import live, read_until
from tests.pipeline.sources.tcp_proxy import TcpProxy


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(rtsp, transport):
    rtsp.start("--login", "me:secret")
    source, states = live(f"rtsp://me:secret@127.0.0.1:{rtsp.port}/live", transport=transport)
    source.open()
    frame = read_until(source, lambda frame: frame.index >= 10)
    source.close()
    assert frame.size == (160, 120) and source.fps == 20 and source.format.startswith("h264 160x120")
    # The tenth picture at 20 per second: after half a second of the stream, later only by what was superseded.
    assert 0.4 < frame.pts_s < 5
    assert states == [("opening", ""), ("running", ""), ("ended", "")]


def test_packets_lost_over_udp_cost_pictures_not_the_stream(rtsp):
    """One packet in twenty: pictures are damaged or missing until the next keyframe, and on it goes."""
    rtsp.start("--size", "640x480", "--loss", "0.05")
    source, states = live(f"rtsp://127.0.0.1:{rtsp.port}/live", transport="udp", stall_s=30)
    source.open()
    first = read_until(source, lambda frame: frame.index >= 3)
    last = read_until(source, lambda frame: frame.pts_s > first.pts_s + 3)
    source.close()
    assert states == [("opening", ""), ("running", ""), ("ended", "")]
    assert last.size == (640, 480) and last.index > first.index
    rtsp.process.kill()
    assert rtsp.process.stdout.read().count(b"lost\n") >= 5


def test_a_wrong_password_is_said_without_saying_it(rtsp, caplog):
    rtsp.start("--login", "me:secret")
    with pytest.raises(SourceError, match="401") as info:
        open_source(f"rtsp://you:wrong@127.0.0.1:{rtsp.port}/live")
    assert "wrong" not in str(info.value) + caplog.text


def test_a_restarted_server_with_another_codec_and_size(rtsp):
    rtsp.start("--codec", "h264")
    source, states = live(f"rtsp://127.0.0.1:{rtsp.port}/live")
    source.open()
    first = read_until(source, lambda frame: frame.index >= 3)
    rtsp.kill()
    restart = threading.Thread(target=lambda: rtsp.start("--codec", "mjpeg", "--size", "320x240"))
    restart.start()
    second = read_until(source, lambda frame: frame.size == (320, 240))
    source.close()
    restart.join()
    assert [state for state, _ in states] == ["opening", "running", "reconnecting", "running", "ended"]
    assert source.reconnects == 1 and source.format.startswith("mjpeg 320x240")
    assert second.index > first.index and second.pts_s > first.pts_s and second.capture_ns > first.capture_ns


def test_a_silent_server_is_noticed_and_dialled_again(rtsp):
    rtsp.start()
    source, states = live(f"rtsp://127.0.0.1:{rtsp.port}/live", stall_s=0.5)
    source.open()
    last = read_until(source, lambda frame: frame.index >= 3)
    rtsp.signal("SIGSTOP")
    source.on_state.append(lambda _, state: rtsp.signal("SIGCONT") if state is SourceState.RECONNECTING else None)
    back = read_until(source, lambda frame: source.reconnects)
    source.close()
    assert ("reconnecting", f"{source.spec}: no picture for 0.5 s") in states or "broke" in states[2][1]
    assert back.index > last.index


def test_a_change_of_size_inside_the_stream(rtsp):
    rtsp.start()
    source, _ = live(f"rtsp://127.0.0.1:{rtsp.port}/live")
    source.open()
    small = read_until(source, lambda frame: frame.index >= 3)
    rtsp.signal("SIGUSR1")
    large = read_until(source, lambda frame: frame.size != small.size)
    source.close()
    assert large.size == (320, 240)
    assert large.intrinsics.cx == 160 and small.intrinsics.cx == 80, "the assumed camera follows the size"
    assert large.pts_s > small.pts_s


@pytest.fixture
def proxied(rtsp):
    rtsp.start()
    proxy = TcpProxy(rtsp.port)
    yield proxy
    proxy.close()


def test_a_network_that_holds_everything_back_then_delivers_at_once(proxied):
    source, states = live(f"rtsp://127.0.0.1:{proxied.port}/live", stall_s=30)
    source.open()
    before = read_until(source, lambda frame: frame.index >= 3)
    proxied.hold()
    while time.monotonic_ns() - before.capture_ns < 1_500_000_000:
        time.sleep(0.1)
    proxied.release()
    released_ns = time.monotonic_ns()
    after = read_until(source, lambda frame: frame.capture_ns > released_ns)
    source.close()
    assert [state for state, _ in states] == ["opening", "running", "ended"], "a pause is no loss"
    # Held for 1.5 s of our clock and then longer, never shorter.
    assert after.pts_s - before.pts_s > 1.3, "the time of the stream went on"


def test_a_cut_connection_and_spoiled_bytes(proxied):
    source, states = live(f"rtsp://127.0.0.1:{proxied.port}/live", stall_s=3)
    source.open()
    read_until(source, lambda frame: frame.index >= 3)
    proxied.cut()
    read_until(source, lambda frame: source.reconnects == 1)
    proxied.spoiled = 0.3
    worst = read_until(source, lambda frame: source.skipped or source.reconnects > 1 or frame.index > 150)
    proxied.spoiled = 0.0
    last = read_until(source, lambda frame: frame.index >= worst.index + 30)
    source.close()
    assert last.pts_s > worst.pts_s and source.state is SourceState.ENDED
    assert [state for state, _ in states][:4] == ["opening", "running", "reconnecting", "running"]


def test_sender_reports_of_a_server_on_this_machine_are_believed(rtsp):
    """Server and client share a clock, so the stated times must pass for capture times."""
    stated = []

    class Listening(CaptureClock):
        def picture(self, pts_s, arrival_ns, stamp_ns=None):
            moment = super().picture(pts_s, arrival_ns, stamp_ns)
            if stamp_ns is not None:
                stated.append((stamp_ns, moment.capture_ns, arrival_ns))
            return moment

    rtsp.start()
    source, _ = live(f"rtsp://127.0.0.1:{rtsp.port}/live")
    source._clock = Listening()
    source.open()
    read_until(source, lambda frame: sum(stamp == capture for stamp, capture, _ in stated) >= 5)
    source.close()
    assert all(stamp < arrival for stamp, _, arrival in stated)
