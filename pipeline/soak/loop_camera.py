"""A camera that plays a short clip for ever: MPEG-TS over HTTP, at the pace of the clip, without encoding anything."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av

from pipeline.chaos.camera import Camera


class LoopCamera(Camera):
    """Every client sees the clip from its start. The clip begins with a keyframe and has no B-frames."""

    def __init__(self, clip: Path) -> None:
        self._clip = clip
        super().__init__()

    def _stream(self, file: io.RawIOBase) -> None:
        """Until the client goes. Raises what writing to a closed connection raises."""
        with (
            av.open(str(self._clip)) as clip,
            av.open(cast(Any, file), "w", format="mpegts", options={"flush_packets": "1"}) as container,
        ):
            video = clip.streams.video[0]
            assert video.average_rate is not None and video.time_base is not None
            stream = container.add_stream_from_template(video)
            started_s = time.monotonic()
            for number, packet in enumerate(_for_ever(clip, video)):
                at_s = number / video.average_rate
                packet.stream = stream
                packet.pts = packet.dts = round(at_s / Fraction(video.time_base))
                packet.time_base = video.time_base
                time.sleep(max(0.0, started_s + float(at_s) - time.monotonic()))
                container.mux(packet)


def _for_ever(clip: av.container.InputContainer, video: av.VideoStream) -> Iterator[av.Packet]:
    while True:
        clip.seek(0)
        yield from (packet for packet in clip.demux(video) if packet.size)
