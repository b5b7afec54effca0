"""Live sources: a video behind HTTP, servers that are not there or say nothing, and FFmpeg's own test camera."""

import contextlib
import functools
import http.server
import io
import itertools
import shutil
import socket
import ssl
import subprocess
import threading
import time

import av
import pytest

from pipeline.runner import Runner
from pipeline.sources import Delivery, SourceError, SourceOptions, SourceState, open_source
from pipeline.sources.capture_clock import CaptureClock
from pipeline.sources.connection import MAX_LAG_S, Connection
from pipeline.sources.live import FIRST_PAUSE_S, LONGEST_PAUSE_S, Dial, LiveSource, pause_s
from tests.pipeline.bright_body import BrightBodyEstimator
from tests.pipeline.sources.live_source import live
from tests.pipeline.sources.video_files import level_picture, write_video

LAVFI = "testsrc=size=64x48:rate=50,realtime"
"""A camera without a device: FFmpeg's test picture, at the pace of a clock."""


@contextlib.contextmanager
def served(folder, tls=None):
    """`127.0.0.1:PORT` of a web server with live.ts, behind TLS if there is a context for it."""
    write_video(folder / "live.ts", [level_picture(10 * i + 10) for i in range(20)], options={"bf": "0"})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        if tls is not None:
            httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


@pytest.fixture
def server(tmp_path):
    with served(tmp_path) as address:
        yield address


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


@pytest.fixture
def secure_server(tmp_path):
    """The same with a certificate that nobody vouches for, as cameras have them."""
    if shutil.which("openssl") is None:
        pytest.skip("no certificate can be made: apt install openssl")
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=camera -keyout key.pem -out cert.pem"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with served(tmp_path, context) as address:
        yield address


def test_a_video_behind_https(secure_server):
    with open_source(f"https://me:secret@{secure_server}/live.ts") as source:
        frames = list(source)
    assert frames[-1].index == 19 and source.state is SourceState.ENDED and "secret" not in source.spec


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
    # The stall lasts 1.5 s and a picture comes every 20 ms: only a thread that got no turn for 0.8 s fails this.
    assert processed[4][0] > stalled_ns + 700_000_000, "captured well into the stall"
    dropped = summary["frames_dropped"] + summary["streams"]["cam"]["superseded"]
    assert dropped >= 5 and [capture for capture, _ in processed] == sorted(capture for capture, _ in processed)
