"""Frames decoded onto a device (here the kernels' twin) against the pictures that the file source gives."""

import shutil

import numpy as np
import pytest

from kernels.crop_pictures import square_affines
from kernels.host_device import HostDevice
from kernels.launch.crop_pictures import crop_pictures
from pipeline.errors import SourceError
from pipeline.sources.device_frames import decode_on_device
from pipeline.sources.registry import open_source
from tests.pipeline.sources.video_files import quadrant_picture, write_video

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")


def test_the_same_pictures_as_from_the_file_source(tmp_path):
    path = write_video(tmp_path / "video.mp4", [np.roll(quadrant_picture(130, 98), 9 * i, axis=1) for i in range(4)])
    device = HostDevice("")
    source = open_source(str(path))
    expected = list(source)
    source.close()
    found = list(decode_on_device(str(path), device))
    assert [frame.pts_s for frame in found] == pytest.approx([frame.pts_s for frame in expected])
    for one, other in zip(found, expected, strict=True):
        assert one.size == other.size
        side = min(one.size)
        affine = square_affines(np.full((1, 2), side / 2), np.array([side]), side)
        (crop,) = device.download(crop_pictures([one.picture], np.zeros(1, int), affine, side))
        # swscale interpolates the colours between samples, the kernel does not: a few levels where they change.
        difference = np.abs(crop.astype(int) - other.image[:side, :side])
        assert difference.mean() < 4


def test_what_cannot_be_decoded_is_said(tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"no\.mp4: cannot be decoded by the CPU"):
        list(decode_on_device(str(tmp_path / "no.mp4"), HostDevice("")))
