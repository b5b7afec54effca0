"""Frames decoded onto a device (here the kernels' twin) against the pictures that the same sources give without."""

import shutil

import av
import numpy as np
import pytest

from kernels.crop_pictures import square_affines
from kernels.host_device import HostDevice
from kernels.launch.crop_pictures import DevicePicture, crop_pictures
from pipeline.sources.device_frames import upright_picture
from pipeline.sources.registry import open_source
from tests.pipeline.sources.video_files import quadrant_picture, write_video

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")


def read_all(path, device=None):
    with open_source(str(path), device=device) as source:
        return list(source)


def test_the_same_pictures_as_on_the_host(tmp_path):
    path = write_video(tmp_path / "video.mp4", [np.roll(quadrant_picture(130, 98), 9 * i, axis=1) for i in range(4)])
    device = HostDevice("")
    found, expected = read_all(path, device), read_all(path)
    assert [(frame.index, frame.pts_s, frame.size) for frame in found] == [(f.index, f.pts_s, f.size) for f in expected]
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one.image, DevicePicture) and one.intrinsics == other.intrinsics
        side = min(one.size)
        affine = square_affines(np.full((1, 2), side / 2), np.array([side]), side)
        (crop,) = device.download(crop_pictures([one.image], np.zeros(1, int), affine, side))
        # swscale interpolates the colours between samples, the kernel does not: a few levels where they change.
        assert np.abs(crop.astype(int) - other.image[:side, :side]).mean() < 4
        # Those who draw see what the kernels see.
        np.testing.assert_allclose(np.asarray(one.image)[:side, :side].astype(int), crop, atol=1)


@pytest.mark.parametrize("trait", [{"rotation": 90.0}, {"pix_fmt": "yuvj420p"}])
def test_what_the_kernels_cannot_read_as_it_is_comes_to_the_host(tmp_path, trait):
    path = write_video(tmp_path / "video.mp4", [quadrant_picture(64, 48)] * 2, **trait)
    for one, other in zip(read_all(path, HostDevice("")), read_all(path), strict=True):
        np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.needs_cuda
def test_nvdec_leaves_its_pictures_on_the_gpu(tmp_path):
    from kernels.cuda_device import first_gpu

    path = write_video(tmp_path / "video.mp4", [quadrant_picture(256, 192)] * 4)
    with open_source(str(path), hwaccel="cuda", device=first_gpu()) as source:
        found = list(source)
    for one, other in zip(found, read_all(path), strict=True):
        assert isinstance(one.image, DevicePicture)
        assert np.abs(np.asarray(one.image).astype(int) - other.image).mean() < 4


def test_a_picture_of_the_host_is_no_picture_of_a_gpu():
    """A decoder that fell back to software leaves its pictures on the host, whatever the device."""

    class Gpu(HostDevice):
        is_gpu = True

    picture = av.VideoFrame.from_ndarray(quadrant_picture(64, 48), format="rgb24").reformat(format="nv12")
    assert isinstance(upright_picture(picture, Gpu("")), np.ndarray)
