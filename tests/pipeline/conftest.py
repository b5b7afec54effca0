"""GStreamer's RTSP server, for the tests that want a real one."""

import signal
import socket
import subprocess
from pathlib import Path

import pytest

RTSP_SERVER = Path(__file__).parent / "sources" / "rtsp_server.py"
SYSTEM_PYTHON = "/usr/bin/python3"


class RtspServer:
    """GStreamer's RTSP server in a process of its own."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def start(self, *arguments):
        command = [SYSTEM_PYTHON, str(RTSP_SERVER), str(self.port), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"
        return self

    def signal(self, name):
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
