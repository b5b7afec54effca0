"""Faults of cameras and of the network before them."""

from __future__ import annotations

import time
from random import Random

from pipeline.chaos.faults import fault
from pipeline.chaos.proxy import FINE, Weather
from pipeline.chaos.stage import Stage

SIZES = ((320, 240), (480, 272), (240, 320), (640, 360))
CODECS = ("libx264", "mpeg2video", "mpeg4")
JUMPS_S = (3600.0, -3600.0, 2**33 / 90_000 - 1.5)
"""An hour on, an hour back, and up to 1.5 s before the 33 bits of MPEG timestamps are full."""
_IN_FLIGHT_S = 0.2
"""After this, pictures from before a change have arrived and cannot be taken for those after it."""
_NOT_A_CAMERA = b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>rebooting</html>\r\n"


def _pass(stage: Stage, camera: str, weather: Weather, seconds: float) -> None:
    stage.networks[camera].weather = weather
    time.sleep(seconds)
    stage.networks[camera].weather = FINE


@fault("server-restart", "the camera goes away with its port, and comes back")
def server_restart(stage: Stage, random: Random, camera: str) -> str:
    seconds = random.uniform(0.2, 3)
    stage.cameras[camera].stop()
    time.sleep(seconds)
    stage.cameras[camera].start()
    return f"{seconds:.1f} s"


@fault("connection-reset", "the connection to the camera is reset several times")
def connection_reset(stage: Stage, random: Random, camera: str) -> str:
    count = random.randint(1, 4)
    for _ in range(count):
        stage.networks[camera].cut(reset=random.random() < 0.5)
        time.sleep(random.uniform(_IN_FLIGHT_S, 0.5))
    return f"{count} times"


@fault("stall", "no byte passes, the connection stays open")
def stall(stage: Stage, random: Random, camera: str) -> str:
    seconds = random.uniform(0.5, 4)
    _pass(stage, camera, Weather(stalled=True), seconds)
    return f"{seconds:.1f} s"


@fault("silent-camera", "the camera sends no picture, the connection stays open")
def silent_camera(stage: Stage, random: Random, camera: str) -> str:
    seconds = random.uniform(0.5, 4)
    stage.cameras[camera].silent = True
    time.sleep(seconds)
    stage.cameras[camera].silent = False
    return f"{seconds:.1f} s"


@fault("wrong-answer", "instead of the camera a web page answers")
def wrong_answer(stage: Stage, random: Random, camera: str) -> str:
    seconds = random.uniform(0.3, 2)
    stage.networks[camera].weather = Weather(answer=_NOT_A_CAMERA if random.random() < 0.5 else random.randbytes(4000))
    stage.networks[camera].cut()
    time.sleep(seconds)
    stage.networks[camera].weather = FINE
    return f"{seconds:.1f} s"


@fault("corruption", "bytes of the video are wrong")
def corruption(stage: Stage, random: Random, camera: str) -> str:
    share = random.choice((0.05, 0.3, 1.0))
    _pass(stage, camera, Weather(corruption=share), random.uniform(0.5, 2))
    return f"{share:.0%} of chunks"


@fault("loss", "parts of the video never arrive")
def loss(stage: Stage, random: Random, camera: str) -> str:
    share = random.choice((0.02, 0.2, 0.7))
    _pass(stage, camera, Weather(loss=share), random.uniform(0.5, 2))
    return f"{share:.0%} of chunks"


@fault("delay", "everything arrives late, then all that was held back at once")
def delay(stage: Stage, random: Random, camera: str) -> str:
    seconds = random.uniform(0.2, 1.5)
    _pass(stage, camera, Weather(delay_s=seconds), seconds + 1)
    return f"{seconds:.1f} s"


@fault("narrow-link", "fewer bytes pass than the camera sends")
def narrow_link(stage: Stage, random: Random, camera: str) -> str:
    rate = random.choice((500, 2_000, 8_000))
    _pass(stage, camera, Weather(bytes_per_s=rate), random.uniform(1, 2))
    return f"{rate / 1000:g} kB/s"


@fault("resolution-change", "the camera sends pictures of another size on the same connection")
def resolution_change(stage: Stage, random: Random, camera: str) -> str:
    device = stage.cameras[camera]
    device.size = random.choice([size for size in SIZES if size != device.size])
    time.sleep(_IN_FLIGHT_S)
    return f"{device.size[0]}x{device.size[1]}"


@fault("codec-change", "the camera restarts with another codec")
def codec_change(stage: Stage, random: Random, camera: str) -> str:
    device = stage.cameras[camera]
    device.stop()
    device.codec = random.choice([codec for codec in CODECS if codec != device.codec])
    device.start()
    time.sleep(_IN_FLIGHT_S)
    return device.codec


@fault("timestamp-jump", "the clock of the camera jumps, or the timestamps wrap around")
def timestamp_jump(stage: Stage, random: Random, camera: str) -> str:
    jump_s = random.choice(JUMPS_S)
    # The wrap depends on where the clock stands now: the camera's timestamps are the monotonic clock plus its offset.
    stage.cameras[camera].clock_offset_s = jump_s - time.monotonic() if jump_s == JUMPS_S[2] else jump_s
    time.sleep(2 if jump_s == JUMPS_S[2] else 0.2)
    return "wrap" if jump_s == JUMPS_S[2] else f"{jump_s:+.0f} s"
