"""The 1080p H.264 video that the benchmark plays: the street clip, scaled up once and kept in the user's cache."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.demo_clip import DemoClipError, cache_dir, street_clip
from pipeline.errors import BodystreamError

SIZE = (1920, 1080)


def bench_video() -> Path:
    """Path of the video, written on first use. BodystreamError where neither the clip nor the demo can be had."""
    try:
        clip: str = str(street_clip())
        target = cache_dir() / "clips" / "street_walk_1080p.mp4"
    except DemoClipError:
        clip, target = "demo", cache_dir() / "clips" / "demo_1080p.mp4"
    if not target.is_file():
        write_scaled(clip, target)
    return target


def write_scaled(source: str, target: Path, size: tuple[int, int] = SIZE, max_frames: int = 230) -> None:
    """Any source of the program as H.264 of ``size``, atomically. BodystreamError without an H.264 encoder."""
    from pipeline.sources import open_source

    frames = open_source(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}{target.suffix}")
    try:
        with av.open(str(partial), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "veryfast", "crf": "20"})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for _ in range(max_frames):
                frame = frames.read()
                if frame is None:
                    break
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.image), format="rgb24")
                container.mux(stream.encode(picture.reformat(*size, format="yuv420p", interpolation="BICUBIC")))
            container.mux(stream.encode(None))
        partial.replace(target)
    except (av.FFmpegError, ValueError) as error:
        raise BodystreamError(f"could not write {target}: {error}; name a 1080p video with --source") from error
    finally:
        partial.unlink(missing_ok=True)
        frames.close()
