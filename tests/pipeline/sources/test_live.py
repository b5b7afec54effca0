"""Network streams over real servers: HTTP, raw TCP, and GStreamer's RTSP server where it is installed."""

import functools
import http.server
import io
import itertools
import socket
import subprocess
import threading
import time
from pathlib import Path

import av
import pytest

from pipeline.runner import Runner
from pipeline.sources import Delivery, LiveOptions, SourceError, SourceOptions, SourceState, create_source, open_source
from pipeline.sources.capture_clock import CaptureClock
from pipeline.sources.connection import MAX_LAG_S, Connection
from pipeline.sources.live import FIRST_PAUSE_S, LONGEST_PAUSE_S, Dial, LiveSource, pause_s
from tests.pipeline.bright_body import BrightBodyEstimator
from tests.pipeline.sources.tcp_proxy import TcpProxy
from tests.pipeline.sources.video_files import level_picture, write_video

SERVER = Path(__file__).with_name("rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"
LAVFI = "testsrc=size=64x48:rate=50,realtime"
"""A camera without a device: FFmpeg's test picture, at the pace of a clock."""


@pytest.fixture
def server(tmp_path):
    write_video(tmp_path / "live.ts", [level_picture(10 * i + 10) for i in range(20)], options={"bf": "0"})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


def live(address, **options):
    """A live source and the list its states will be in."""
    source = create_source(address, SourceOptions(stream="cam", live=LiveOptions(**options)))
    states = []
    source.on_state.append(lambda source, state: states.append((state.value, source.trouble)))
    return source, states


def read_until(source, condition):
    for frame in source:
        if condition(frame):
            return frame
    raise AssertionError(f"the stream ended before that: {source.state}, {source.trouble}")


def test_a_video_behind_http_ends_and_its_newest_picture_comes(server):
    source, states = live(f"http://me:secret@{server}/live.ts")
    assert source.delivery is Delivery.LATEST
    source.open()
    frames = list(source)
    assert source.state is SourceState.ENDED
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices)) and indices[-1] == 19 == len(frames) + source.superseded - 1
    for frame in frames:
        assert frame.image.mean() == pytest.approx(10 * frame.index + 10, abs=3)
    assert "secret" not in source.spec + str(states)


def test_what_is_not_there(server):
    with pytest.raises(SourceError, match="cannot be opened") as info:
        open_source(f"http://me:secret@{server}/nothing.ts")
    assert "secret" not in str(info.value)


def test_a_patient_opening_waits_for_the_camera():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    source, states = live(f"rtsp://me:secret@127.0.0.1:{port}/x")
    source.open(patient=True)
    assert source.state is SourceState.RECONNECTING and "refused" in source.trouble
    threading.Timer(0.5, source.close).start()
    assert source.read() is None
    assert [state for state, _ in states] == ["opening", "reconnecting", "ended"] and "secret" not in str(states)


def test_closing_ends_it_without_an_error_even_while_it_hangs():
    """The other side accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        source, _ = live(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/x")
        threading.Timer(0.3, source.close).start()
        source.open()
        assert source.read() is None and source.state is SourceState.ENDED


def test_a_camera_on_lavfi_gives_size_rate_and_time():
    """The path of a webcam, with FFmpeg's own test picture in place of the V4L2 device."""
    dial = Dial(address=LAVFI, demuxer="lavfi")
    source = LiveSource(dial, "webcam:test", SourceOptions(stream="cam"))
    source.open()
    frames = [source.read() for _ in range(10)]
    source.close()
    assert frames[0].size == (64, 48) and source.fps == 50 and "64x48" in source.format
    steps = {round((b.pts_s - a.pts_s) / (b.index - a.index), 4) for a, b in itertools.pairwise(frames)}
    assert steps == {0.02}
    assert all(frame.capture_ns <= time.monotonic_ns() for frame in frames)


def test_a_slow_reader_gets_the_newest_picture():
    source = LiveSource(Dial(address=LAVFI, demuxer="lavfi"), "webcam:test", SourceOptions(stream="cam"))
    source.open()
    before = source.read()
    connection = source._connection
    while connection._superseded < 5:  # the reader is busy elsewhere
        time.sleep(0.01)
    waiting = connection._newest
    after = source.read()
    source.close()
    assert after.index - before.index - 1 == source.superseded >= 5
    assert after.capture_ns >= waiting.moment.capture_ns


def test_pauses_grow_to_a_cap_and_differ():
    pauses = [[pause_s(attempt) for _ in range(200)] for attempt in (0, 2, 50)]
    for values, top in zip(pauses, (FIRST_PAUSE_S, 4 * FIRST_PAUSE_S, LONGEST_PAUSE_S), strict=True):
        assert top / 2 <= min(values) < max(values) <= top


class RtspServer:
    """GStreamer's RTSP server in a process of its own."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def start(self, *arguments):
        command = [SYSTEM_PYTHON, str(SERVER), str(self.port), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def signal(self, name):
        import signal

        self.process.send_signal(getattr(signal, name))

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


@pytest.fixture(scope="session")
def gstreamer():
    check = (
        "import gi; gi.require_version('Gst','1.0'); gi.require_version('GstRtspServer','1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "assert all(map(Gst.ElementFactory.find, ('x264enc', 'jpegenc', 'rtph264pay', 'videotestsrc')))"
    )
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True).returncode:
        pytest.skip(
            "no RTSP server: install gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-{base,good,ugly}"
        )


@pytest.fixture
def rtsp(gstreamer):
    server = RtspServer()
    yield server
    server.kill()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(rtsp, transport):
    rtsp.start("--login", "me:secret")
    source, states = live(f"rtsp://me:secret@127.0.0.1:{rtsp.port}/live", transport=transport)
    source.open()
    frame = read_until(source, lambda frame: frame.index >= 10)
    source.close()
    assert frame.size == (160, 120) and source.fps == 20 and source.format.startswith("h264 160x120")
    assert 0.4 < frame.pts_s < 5
    assert states == [("opening", ""), ("running", ""), ("ended", "")]


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


class PacedFile(io.BytesIO):
    """Bytes that become readable at a constant rate, as a network delivers them."""

    def __init__(self, data, seconds):
        super().__init__(data)
        self._rate, self._begun_s = len(data) / seconds, time.monotonic()

    def read(self, size=-1):
        while (due := int((time.monotonic() - self._begun_s) * self._rate) - self.tell()) < 1:
            time.sleep(0.005)
        return super().read(min(size, due))

    def seekable(self):
        return False


def test_a_machine_too_slow_to_decode_leaves_pictures_out(tmp_path):
    """Each picture takes five times as long as it lasts, and a keyframe comes every tenth."""
    pictures = [level_picture(i % 200) for i in range(150)]
    path = write_video(tmp_path / "x.ts", pictures, codec="mpeg1video", options={"g": "10"})

    class SlowConnection(Connection):
        def _offer(self, *arguments):
            time.sleep(0.17)
            super()._offer(*arguments)

    connection = SlowConnection(
        lambda: av.open(PacedFile(path.read_bytes(), 5), format="mpegts", options={"probesize": "20000"}),
        CaptureClock(),
        name="slow",
    )
    lags = []
    while not connection.skipped or connection._skipping:
        lags.append(connection.take(30).moment.lag_s)
    assert max(lags) > MAX_LAG_S
    while connection.take(30).moment.lag_s > MAX_LAG_S:  # ends with an error if it never catches up
        pass
    connection.close()


def test_after_an_estimator_has_stalled_the_newest_picture_is_next():
    processed = []

    class Stalling(BrightBodyEstimator):
        def process(self, frame):
            begun_ns = time.monotonic_ns()
            if len(processed) == 3:
                time.sleep(1.5)
            processed.append((frame.capture_ns, begun_ns))
            return super().process(frame)

    source = LiveSource(Dial(address=LAVFI, demuxer="lavfi"), "webcam:test", SourceOptions(stream="cam"))
    source.open()
    summary = Runner([source], Stalling(), [], max_frames=200).run().summary
    stalled_ns = processed[3][1]
    assert processed[4][0] > stalled_ns + 700_000_000, "captured well into the stall"
    dropped = summary["frames_dropped"] + summary["streams"]["cam"]["superseded"]
    assert dropped >= 5 and [capture for capture, _ in processed] == sorted(capture for capture, _ in processed)


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
