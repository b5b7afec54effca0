"""Network streams, over a real HTTP server. No V4L2 device and no RTSP server take part."""

import functools
import http.server
import threading

import pytest

from pipeline.sources import Delivery, SourceError, SourceState, open_source
from tests.pipeline.sources.video_files import level_picture, write_video


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


def test_frames_of_a_network_stream_until_it_ends(server):
    source = open_source(f"http://me:secret@{server}/live.ts")
    assert source.delivery is Delivery.LATEST
    means = []
    with pytest.raises(SourceError, match="has ended") as info:
        while (frame := source.read()) is not None:
            assert frame.size == (64, 48) and frame.index == len(means)
            means.append(frame.image.mean())
    assert means == pytest.approx([10 * i + 10 for i in range(20)], abs=3)
    assert source.state is SourceState.FAILED
    assert "secret" not in str(info.value) and "secret" not in source.spec


def test_what_is_not_there(server):
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(f"http://{server}/nothing.ts")


def test_closing_ends_it_without_an_error(server):
    source = open_source(f"http://{server}/live.ts")
    assert source.read() is not None
    source.close()
    assert source.read() is None and source.state is SourceState.ENDED
