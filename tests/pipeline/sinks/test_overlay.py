"""The overlay read back with PyAV: size, times, content, and what a killed run leaves."""

from __future__ import annotations

import signal
import subprocess
import sys

import av
import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from pipeline.errors import OutputError
from pipeline.sinks import overlay
from pipeline.sinks.overlay import OverlayWriter, even, fit, resized
from tests.pipeline.bodies import picture_result, standing

SIZE = (321, 181)
CAMERA = Intrinsics.from_fov(*SIZE)


@pytest.fixture(scope="module")
def body():
    return load_body()


def decoded(path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames]


def test_variable_times_and_odd_sizes_survive(body, tmp_path):
    times = [5.0, 5.04, 5.5, 5.501, 7.25]
    writer = OverlayWriter(tmp_path / "o.mp4", body, fps=30)
    for index, pts_s in enumerate(times):
        writer.write(picture_result((), CAMERA, SIZE, index=index, pts_s=pts_s))
    writer.close()
    pictures, found = decoded(tmp_path / "o.mp4")
    assert [p.shape for p in pictures] == [(182, 322, 3)] * 5
    np.testing.assert_allclose(found, np.subtract(times, 5.0), atol=1e-4)
    assert all(abs(int(p.mean()) - 90) < 4 for p in pictures)


def test_the_body_is_seen_in_the_video(body, tmp_path):
    writer = OverlayWriter(tmp_path / "o.mp4", body)
    person = standing(body, CAMERA)
    writer.write(picture_result((person,), CAMERA, SIZE))
    writer.write(picture_result((), CAMERA, SIZE, index=1, pts_s=1 / 30))
    writer.close()
    (drawn, empty), _ = decoded(tmp_path / "o.mp4")
    x, y = np.round(CAMERA.project(person.estimate.joints[6])).astype(int)
    assert np.abs(drawn[y - 3 : y + 3, x - 3 : x + 3].astype(int) - 90).max() > 40
    assert np.abs(empty.astype(int) - 90).max() < 25


def test_large_pictures_are_scaled_down_and_a_change_of_size_is_fitted(body, tmp_path):
    writer = OverlayWriter(tmp_path / "o.mp4", body, max_side_px=160)
    writer.write(picture_result((), CAMERA, (320, 180)))
    writer.write(picture_result((), CAMERA, (180, 320), index=1, pts_s=0.1))
    writer.close()
    (first, second), _ = decoded(tmp_path / "o.mp4")
    assert first.shape == second.shape == (90, 160, 3)
    assert second[:, 60:].mean() < 8, "the rest of the frame stays black"
    assert abs(second[:, :48].mean() - 90) < 6


def test_times_that_stand_still_or_run_back_do_not_stop_the_video(body, tmp_path):
    writer = OverlayWriter(tmp_path / "o.mp4", body)
    for index, pts_s in enumerate((1.0, 1.0, 0.2, 1.1)):
        writer.write(picture_result((), CAMERA, SIZE, index=index, pts_s=pts_s))
    writer.close()
    _, times = decoded(tmp_path / "o.mp4")
    assert len(times) == 4 and times == sorted(set(times))


@pytest.mark.parametrize("encoder", ["libopenh264", "mpeg4"])
def test_without_x264_another_encoder_serves(body, tmp_path, monkeypatch, encoder):
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {encoder}")
    monkeypatch.setattr(overlay, "_ENCODERS", {encoder: overlay._ENCODERS[encoder]})
    writer = OverlayWriter(tmp_path / "o.mp4", body)
    for index in range(3):
        writer.write(picture_result((), CAMERA, (320, 180), index=index, pts_s=index / 30))
    writer.close()
    assert len(decoded(tmp_path / "o.mp4")[0]) == 3


KILLED = """
import sys
from engines.body import load_body
from pipeline.sinks.overlay import OverlayWriter
from tests.pipeline.bodies import picture_result
from tests.pipeline.sinks.test_overlay import CAMERA
writer = OverlayWriter(sys.argv[1], load_body(), fps=10)
for index in range(10_000):
    writer.write(picture_result((), CAMERA, (320, 180), index=index, pts_s=index / 10))
    print(index, flush=True)
"""


def test_the_video_of_a_killed_run_plays(tmp_path):
    path = tmp_path / "o.mp4"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    written = 0
    while written < 150:
        written = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    written += len(process.stdout.readlines())
    process.wait()
    with av.open(str(path)) as container:
        frames = 0
        try:
            for _ in container.decode(video=0):
                frames += 1
        except av.FFmpegError:
            pass  # the cut is met
    assert frames >= written - 60, "at most a few fragments (and what the encoder still held) are lost"


def test_a_run_without_frames_leaves_no_file(body, tmp_path):
    OverlayWriter(tmp_path / "o.mp4", body).close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_one_clear_error(body):
    with pytest.raises(OutputError, match=r"cannot write the overlay /dev/null/o\.mp4"):
        OverlayWriter("/dev/null/o.mp4", body)


def test_fit_and_even():
    image = np.full((10, 21, 3), 7, np.uint8)
    assert fit(image, (21, 10)) is image
    assert fit(image, (42, 42)).shape == (42, 42, 3)
    assert even(image).shape == (10, 22, 3) and (even(image) == 7).all()


@pytest.mark.parametrize("size", [(1768, 994), (1281, 719), (641, 360), (300, 201)])
def test_resized_neither_moves_nor_aliases(size):
    width, height = size
    ramp = np.linspace(20, 220, width)[None, :, None] * np.ones((height, 1, 3))
    small = resized(ramp.astype(np.uint8), (320, 180)).astype(float)
    expected = 20 + 200 * ((np.arange(320) + 0.5) * width / 320 - 0.5) / (width - 1)
    step = 200 / 320  # of grey values from one new pixel to the next
    assert np.abs(small - expected[None, :, None])[:, 1:-1].max() < 1 + step
    if width >= 640:
        board = np.indices((height, width)).sum(0)[..., None] % 2 * np.full(3, 200)
        assert np.ptp(resized(board.astype(np.uint8), (320, 180)).astype(int)[1:-1, 1:-1]) < 5
