"""--on-device: the stream with its frames, crops, heatmaps and meshes on a device (the kernels' twin on the CPU)."""

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from engines.body import load_body
from engines.methods.device_method import open_device_method
from engines.metrics import pa_mpjpe
from engines.runtime.cuda_device import find_cuda_device
from kernels.cuda_device import first_gpu
from kernels.host_device import HostDevice
from kernels.launch.crop_pictures import DevicePicture
from pipeline.appearance import colour_distance, torso_colours
from pipeline.assemble import gpu_of
from pipeline.config import RunConfig
from pipeline.errors import BodystreamError, UsageError
from pipeline.estimator import Estimator
from pipeline.sources.registry import open_source
from tests.pipeline.sources.video_files import write_video

CONFIG = RunConfig(
    source=("demo",), precision="f32", runtime="openvino", threads=1, mirror="never", on_device=True, max_people=1
)
FRAMES = 6


class Counted(HostDevice):
    """Counts on which stream the host waits; whole pictures must not come back."""

    def __init__(self):
        super().__init__("")
        self.waits, self.drawing = [], False

    def synchronize(self, stream=None):
        self.waits.append(stream)

    def download(self, array, stream=None):
        assert array.nbytes < 10_000 or self.drawing
        self.waits.append(stream)
        return super().download(array, stream)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A rendered person who walks, as a video, and who it is in each picture."""
    with open_source("demo:seconds=1,people=1", stream="demo") as source:
        frames = [source.read() for _ in range(FRAMES)]
        truths = [source.truth(index) for index in range(FRAMES)]
    # So small that no crop has more pixels than the trunk takes: there the kernel's filter is that of the host.
    pictures = [cv2.resize(frame.image, (280, 158), interpolation=cv2.INTER_AREA) for frame in frames]
    return write_video(tmp_path_factory.mktemp("clip") / "demo.mp4", pictures), truths


def bodies_of(estimator, frames):
    bodies = [estimator.process(frame).bodies for frame in frames]
    estimator.close()
    return [body for (body,) in bodies]


def same_bodies(there, here):
    """Up to levels that are rounded once instead of twice, what follows from it for the next crop, and float32: some
    millimetres of pose (10.3 at most with the shipped weights), some thousandths of the distance."""
    for one, other in zip(there, here, strict=True):
        assert one.track_id == other.track_id
        mine, theirs = one.estimate, other.estimate
        apart = (mine.joints - mine.translation) - (theirs.joints - theirs.translation)
        assert np.linalg.norm(apart, axis=-1).mean() < 0.015
        np.testing.assert_allclose(mine.translation, theirs.translation, rtol=0.01, atol=0.01)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_frames_on_a_device_give_the_bodies_of_the_host(clip):
    path, truths = clip
    body, device = load_body(), Counted()
    method = open_device_method(body, runtime="openvino", precision="f32", mirror=False, device=device, most_people=1)
    looks = []

    def detect(image):
        looks.append(image)
        return method.detect(image)

    there, here = Estimator(CONFIG, body, method, detect), Estimator(CONFIG, body)
    assert there.weights == here.weights
    there.warm_up()
    with open_source(str(path), stream="demo", device=device) as source:
        frames = list(source)
    device.waits.clear()
    looks.clear()
    found = bodies_of(there, frames)
    # For the networks once per picture, for the locator once per look; for colours once per picture with somebody in it
    # and once per look that found strangers.
    assert sum(stream is not None for stream in device.waits) == FRAMES + len(looks)
    assert FRAMES < device.waits.count(None) <= FRAMES + len(looks)
    assert all(isinstance(frame.image, DevicePicture) for frame in frames)
    device.drawing = True
    copied = [replace(frame, image=np.asarray(frame.image)) for frame in frames]
    same_bodies(found, bodies_of(here, copied))
    # The mean pose, told the true heading, is 170 mm off on rendered people.
    errors = [pa_mpjpe(one.estimate.joints, truth[0].joints) for one, truth in zip(found, truths, strict=True)]
    assert np.mean(errors) < 0.16


@pytest.mark.needs_cuda
def test_from_nvdec_to_bodies_on_a_gpu(clip):
    pytest.importorskip("torch", reason="needs the torch extra: pip install -e '.[torch]'")
    body, device = load_body(), first_gpu()
    method = open_device_method(body, runtime="torch", precision="f32", mirror=False, device=device)
    with open_source(str(clip[0]), stream="demo", hwaccel="cuda", device=device) as source:
        frames = list(source)
    assert all(isinstance(frame.image, DevicePicture) for frame in frames)
    found = bodies_of(Estimator(CONFIG, body, method, method.detect), frames)
    copied = [replace(frame, image=np.asarray(frame.image)) for frame in frames]
    same_bodies(found, bodies_of(Estimator(CONFIG, body), copied))


def test_the_colours_of_a_torso_are_the_same_on_a_device():
    image = np.zeros((90, 130, 3), np.uint8)
    image[10:40, 20:50], image[10:40, 80:110], image[40:] = (200, 30, 30), (30, 30, 200), (30, 200, 30)
    device = HostDevice("")
    picture = DevicePicture(pixels=device.upload(image.reshape(90, -1)), width=130)
    boxes = np.array([[10, 0, 60, 80], [70, 0, 120, 80], [300, 0, 350, 80], [90, -40, 160, 90]], np.float32)
    here, there = torso_colours(image, boxes), torso_colours(picture, boxes)
    assert here[2] is None and there[2] is None
    for row in (0, 1, 3):
        assert colour_distance(here[row], there[row]) < 0.2
    assert colour_distance(there[0], there[1]) > 0.5


@pytest.mark.parametrize("other", [{"method": "smplify"}, {"keypoints": "net.onnx"}])
def test_what_the_device_path_does_not_do_is_refused(other):
    with pytest.raises(UsageError, match=r"--on-device runs --method bilayer"):
        gpu_of(RunConfig(**{"source": ("demo",), "on_device": True} | other))


@pytest.mark.skipif(find_cuda_device() is not None, reason="this machine has a GPU, so --on-device is not refused")
def test_without_a_gpu_it_says_so():
    with pytest.raises(BodystreamError, match="--on-device needs an NVIDIA GPU"):
        gpu_of(CONFIG)
