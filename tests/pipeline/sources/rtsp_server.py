"""A real RTSP server (GStreamer's) with a live test picture, for tests; run by the system's Python, which has `gi`.

    rtsp_server.py PORT [--codec h264|h265|mjpeg] [--size WxH] [--login USER:PASSWORD]

The stream is at rtsp://127.0.0.1:PORT/live. SIGUSR1 doubles the size of the picture, inside the running stream.
"""

import argparse
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("--codec", choices=ENCODERS, default="h264")
    parser.add_argument("--size", default="160x120")
    parser.add_argument("--login")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=options.port)
    factory = GstRtspServer.RTSPMediaFactory(shared=True)
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1"
    factory.set_launch(
        f"( videotestsrc is-live=true pattern=ball ! capsfilter name=size caps={caps} ! {ENCODERS[options.codec]} )"
    )
    medias = []
    factory.connect("media-configure", lambda _, media: medias.append(media))
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
