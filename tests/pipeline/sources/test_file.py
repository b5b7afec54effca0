"""Real video has traits that a naive reader gets wrong; each is written with PyAV and read back."""

import itertools
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.sources import CameraOption, SourceError, SourceState, open_source
from tests.pipeline.sources.video_files import corner_names, level_picture, quadrant_picture, write_video

LEVELS = range(20, 240, 10)
PIXELS = {"mjpeg": "yuvj420p"}
TEN_BIT = [("ffv1", "yuv420p10le"), ("libx265", "yuv420p10le"), ("ffv1", "gray10le")]
NOT_VIDEOS = [(b"", "empty"), (b"Dear diary, nobody came.\n" * 99, "no video|cannot be"), (bytes(4096), "cannot be")]


def noise_pictures(count: int) -> list[np.ndarray]:
    noise = np.random.default_rng(0)
    return [noise.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)]


def read_all(path: Path, **options):
    with open_source(str(path), **options) as source:
        return list(source)


# What an upright viewer sees in the corners (top left, top right, bottom left, bottom right) of a stored picture, if
# it is turned counter-clockwise by so many degrees, possibly after a left-right flip.
TURNS = [
    (0, False, ("top_left", "top_right", "bottom_left", "bottom_right")),
    (90, False, ("top_right", "bottom_right", "top_left", "bottom_left")),
    (180, False, ("bottom_right", "bottom_left", "top_right", "top_left")),
    (-90, False, ("bottom_left", "top_left", "bottom_right", "top_right")),
    (0, True, ("top_right", "top_left", "bottom_right", "bottom_left")),
]


@pytest.mark.parametrize(("degrees", "hflip", "corners"), TURNS)
def test_rotation_metadata_is_applied(tmp_path, degrees, hflip, corners):
    path = write_video(tmp_path / "r.mp4", [quadrant_picture(96, 64)] * 3, rotation=degrees, hflip=hflip)
    frames = read_all(path, camera=CameraOption(fov_deg=60))
    assert len(frames) == 3
    size = (64, 96) if abs(degrees) == 90 else (96, 64)
    for frame in frames:
        assert frame.size == size
        assert corner_names(frame.image) == corners
        assert frame.intrinsics.cx == size[0] / 2, "the camera is that of the upright picture"
        assert frame.image.flags.c_contiguous


def test_every_frame_once_in_order(tmp_path):
    path = write_video(tmp_path / "v.mp4", [level_picture(level) for level in LEVELS], options={"bf": "3", "g": "8"})
    frames = read_all(path, threads=4)
    assert [frame.index for frame in frames] == list(range(len(LEVELS)))
    np.testing.assert_allclose([frame.image.mean() for frame in frames], list(LEVELS), atol=2)
    np.testing.assert_allclose([frame.pts_s for frame in frames], np.arange(len(LEVELS)) / 30, atol=1e-4)
    assert all(a.capture_ns <= b.capture_ns for a, b in itertools.pairwise(frames))


def test_variable_frame_rate_keeps_its_times(tmp_path):
    ticks = [0, 33, 40, 41, 500, 1250, 1251]
    pictures = [level_picture(30 * i + 20) for i in range(len(ticks))]
    path = write_video(tmp_path / "v.mkv", pictures, pts=ticks, time_base=Fraction(1, 1000), options={"bf": "0"})
    frames = read_all(path)
    assert [round(frame.pts_s * 1000) for frame in frames] == ticks
    np.testing.assert_allclose([frame.image.mean() for frame in frames], [30 * i + 20 for i in range(7)], atol=3)


@pytest.mark.parametrize(("width", "height"), [(95, 63), (97, 64), (96, 61)])
def test_odd_sizes(tmp_path, width, height):
    path = write_video(tmp_path / "o.mkv", [quadrant_picture(width, height)] * 2, codec="ffv1", pix_fmt="yuv420p")
    for frame in read_all(path):
        assert frame.size == (width, height)
        assert corner_names(frame.image)[0] == "top_left"
        np.testing.assert_allclose(frame.image[-2, -2], (200, 200, 200), atol=6)


def test_grey_video_becomes_equal_channels(tmp_path):
    path = write_video(tmp_path / "g.mkv", [level_picture(v) for v in (0, 90, 255)], codec="ffv1", pix_fmt="gray")
    for frame, level in zip(read_all(path), (0, 90, 255), strict=True):
        np.testing.assert_allclose(frame.image, level, atol=2)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("ffv1", "yuv420p10le"), ("libx265", "yuv420p10le"), ("ffv1", "gray10le")]
)
def test_ten_bits_keep_their_brightness(tmp_path, codec, pix_fmt):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    path = write_video(tmp_path / "t.mkv", [level_picture(v) for v in (10, 128, 250)], codec=codec, pix_fmt=pix_fmt, options=options)  # fmt: skip  # noqa: E501
    frames = read_all(path)
    np.testing.assert_allclose([frame.image.mean() for frame in frames], [10, 128, 250], atol=3)


def test_hd_video_is_read_with_its_own_colour_matrix(tmp_path):
    """BT.709 read as BT.601 would turn pure green visibly wrong (about 20 levels in red and blue)."""
    green = np.zeros((64, 64, 3), np.uint8)
    green[:] = (40, 180, 60)
    path = tmp_path / "c.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.codec_context.options = "yuv420p", {"crf": "1"}
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(green, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709", src_colorspace="ITU709"
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    np.testing.assert_allclose(read_all(path)[0].image[32, 32], (40, 180, 60), atol=6)


@pytest.mark.parametrize("name", ["movie.mp4", "movie.mkv"])
def test_a_cut_off_file_gives_its_frames_and_then_says_so(tmp_path, name):
    options = {"movflags": "faststart"} if name.endswith("mp4") else None
    path = write_video(tmp_path / name, noise_pictures(150), container_options=options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_source(str(path))
    read = 0
    with pytest.raises(SourceError, match="ends early"):
        while source.read() is not None:
            read += 1
    assert 50 < read < 100
    assert source.state is SourceState.FAILED
    assert source.read() is None


@pytest.mark.parametrize("codec", ["mjpeg", "ffv1", "libx264"])
def test_damaged_packets_are_left_out_and_counted(tmp_path, codec):
    path = write_video(tmp_path / "d.mkv", noise_pictures(22), codec=codec, pix_fmt=PIXELS.get(codec, "yuv420p"))
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0)]
    data = bytearray(path.read_bytes())
    for position, size in packets[3:5]:
        data[position + 8 : position + size] = random.Random(0).randbytes(size - 8)
    path.write_bytes(data)
    with open_source(str(path)) as source:
        frames = list(source)
    assert (len(frames), source.skipped) == (20, 2)
    assert source.state is SourceState.ENDED


@pytest.mark.parametrize(("content", "words"), NOT_VIDEOS)
def test_what_is_no_video_is_refused(tmp_path, content, words):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words):
        open_source(str(path))
    text = path.rename(tmp_path / "x.txt")
    with pytest.raises(SourceError, match="|".join((words, "no video"))):
        open_source(str(text))


def test_sound_without_picture_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(SourceError, match="no video"):
        open_source(str(path))


def test_hardware_decoder_by_name(tmp_path):
    path = write_video(tmp_path / "v.mp4", [level_picture(100)] * 5)
    assert len(read_all(path, hwaccel="auto")) == 5
    with pytest.raises(UsageError, match=r"cudda.*none, auto"):
        open_source(str(path), hwaccel="cudda")


def test_realtime_delivers_no_frame_before_its_time(tmp_path):
    path = write_video(tmp_path / "v.mp4", [level_picture(100)] * 6)
    frames = read_all(path, realtime=True)
    for frame in frames:
        assert (frame.capture_ns - frames[0].capture_ns) / 1e9 >= frame.pts_s - 0.002
