"""A real RTSP server (GStreamer's) with a live picture, for tests; run by the system's Python, which has `gi`.

    rtsp_server.py PORT [--codec h264|h265|mjpeg] [--size WxH] [--login USER:PASSWORD] [--pictures F%03d.jpg] [--loss P]

The stream is at rtsp://127.0.0.1:PORT/live: a bouncing ball, or the pictures over and over. SIGUSR1 doubles the size of
the picture, inside the running stream. `--loss`: every packet is lost with that probability, but for the first hundred.
"""

import argparse
import random
import signal

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

LOW_DELAY = "tune=zerolatency speed-preset=ultrafast key-int-max=10"
ENCODERS = {
    "h264": f"x264enc {LOW_DELAY} ! rtph264pay config-interval=-1 name=pay0 pt=96",
    "h265": f"x265enc {LOW_DELAY} ! rtph265pay config-interval=-1 name=pay0 pt=96",
    "mjpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
}
FPS = 20


class Lossy:
    """Lets packets through or loses them, the same ones in every run, and says so for each that is lost."""

    def __init__(self, share, spared=100):
        self._share, self._spared, self._random = share, spared, random.Random(0)

    def __call__(self, pad, info):
        self._spared -= 1
        lost = self._spared < 0 and self._random.random() < self._share
        if lost:
            print("lost", flush=True)
        return Gst.PadProbeReturn.DROP if lost else Gst.PadProbeReturn.OK


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--login")
    parser.add_argument("--pictures", help="JPEG files, as printf writes their names from 0")
    parser.add_argument("--loss", type=float, default=0.0)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=options.port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1"
    camera = "videotestsrc is-live=true pattern=ball"
    if options.pictures:
        files = f'multifilesrc location={options.pictures} loop=true caps="image/jpeg,framerate={FPS}/1"'
        camera = f"{files} ! identity sync=true ! jpegdec ! videoconvert ! videoscale"
    factory.set_launch(f"( {camera} ! capsfilter name=size caps={caps} ! {ENCODERS[options.codec]} )")
    medias = []

    def configure(_, media):
        medias.append(media)
        if options.loss:
            pad = media.get_element().get_by_name("pay0").get_static_pad("src")
            pad.add_probe(Gst.PadProbeType.BUFFER, Lossy(options.loss))

    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory("/live", factory)
    if options.login:
        user, password = options.login.split(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.new_from_string(
                "user,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
            )
        )
    server.attach(None)

    def double():
        nonlocal width, height
        width, height = 2 * width, 2 * height
        bigger = Gst.Caps.from_string(f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1")
        medias[-1].get_element().get_by_name("size").set_property("caps", bigger)
        return True

    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, double)
    print("ready", flush=True)
    GLib.MainLoop().run()


main()
