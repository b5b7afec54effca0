"""The 1080p H.264 video that the benchmark plays: one person in every frame, written once to the user's cache.

It is cut out of the street clip, where a woman crosses the lawn, scaled up and played forth and back. The clip as a
whole would flatter: in a third of its frames nobody is followed, and such frames cost little.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pipeline.demo_clip import DemoClipError, cache_dir, street_clip
from pipeline.errors import BodystreamError

SIZE = (1920, 1080)
FRAMES = range(58, 134)
"""Of the street clip: the woman is whole and alone in the ..."""
CUT = (slice(440, 994), slice(560, 1545))
"""... rows and columns, 16:9."""
ROUNDS = 2


def bench_video() -> Path:
    """Path of the video, written on first use. BodystreamError where neither the clip nor the demo can be had."""
    try:
        clip, name = str(street_clip()), "one_walker_1080p.mp4"
    except DemoClipError:
        clip, name = "demo:people=1", "demo_one_1080p.mp4"
    target = cache_dir() / "clips" / name
    if not target.is_file():
        pictures = read_pictures(clip)
        write_scaled(pictures if clip.startswith("demo") else forth_and_back(p[CUT] for p in pictures), target)
    return target


def live_video() -> Path:
    """The same walk as a camera would send it, 1280 x 720 without B-frames; written on first use. Raises as above."""
    source = bench_video()
    target = source.with_name(source.name.replace("1080p", "720p_live"))
    if not target.is_file():
        write_scaled(read_pictures(str(source)), target, size=(1280, 720), live=True)
    return target


def read_pictures(source: str) -> Iterator[np.ndarray]:
    """The pictures of any source of the program."""
    from pipeline.sources import open_source

    with open_source(source) as frames:
        for frame in frames:
            yield np.asarray(frame.image)


def forth_and_back(
    pictures: Iterable[np.ndarray], frames: range = FRAMES, rounds: int = ROUNDS
) -> Iterator[np.ndarray]:
    """The pictures whose numbers are in ``frames``, to the end and back to the start, without a jump."""
    walk = [picture for index, picture in enumerate(pictures) if index in frames]
    return (picture for _ in range(rounds) for picture in (*walk, *walk[-2:0:-1]))


def write_scaled(
    pictures: Iterable[np.ndarray], target: Path, size: tuple[int, int] = SIZE, *, live: bool = False
) -> None:
    """Pictures (H, W, 3) uint8 as H.264 of ``size``, 30 frames/s, atomically.

    live: a keyframe each second and no B-frames. BodystreamError without an H.264 encoder.
    """
    options = {"preset": "veryfast", "crf": "20"} | ({"tune": "zerolatency", "g": "30"} if live else {})
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}{target.suffix}")
    try:
        with av.open(str(partial), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(30), options=options)
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            for image in pictures:
                picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                container.mux(stream.encode(picture.reformat(*size, format="yuv420p", interpolation="BICUBIC")))
            container.mux(stream.encode(None))
        partial.replace(target)
    except (av.FFmpegError, ValueError) as error:
        raise BodystreamError(f"could not write {target}: {error}; name a 1080p video with --source") from error
    finally:
        partial.unlink(missing_ok=True)
