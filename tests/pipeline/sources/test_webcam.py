"""What of a webcam can be tested without one: finding it, what FFmpeg is told, what is asked and reported."""

import av
import pytest

from pipeline.sources import LiveOptions, SourceError, SourceOptions, SourceState, create_source, stream_name
from pipeline.sources.webcam import WebcamSource, find_device, v4l2_dial


@pytest.fixture
def machine(tmp_path):
    """(/dev, /sys/class/video4linux) of a machine with two cameras."""
    devices, names = tmp_path / "dev", tmp_path / "sys"
    for number, name in ((0, "Integrated Camera: Front"), (2, "Logitech BRIO"), (10, "Logitech C920")):
        (names / f"video{number}").mkdir(parents=True)
        (names / f"video{number}" / "name").write_text(name + "\n")
        devices.mkdir(exist_ok=True)
        (devices / f"video{number}").touch()
    return devices, names


@pytest.mark.parametrize(
    "camera,file", [("0", "video0"), ("10", "video10"), ("brio", "video2"), ("Logitech", "video2"), ("c920", "video10")]
)
def test_by_number_or_name(machine, camera, file):
    assert find_device(camera, *machine) == machine[0] / file


def test_by_path(machine):
    assert find_device(str(machine[0] / "video2"), *machine).name == "video2"


@pytest.mark.parametrize("camera", ["1", "Sony", "/dev/nothing"])
def test_a_camera_that_is_not_there(machine, camera):
    with pytest.raises(SourceError, match="Logitech BRIO"):
        find_device(camera, *machine)


def test_what_is_asked_for():
    source = create_source("webcam:0?size=1280x720&fps=30&format=mjpeg", SourceOptions(stream="s"))
    assert source.options.live == LiveOptions(size=(1280, 720), fps=30, pixel_format="mjpeg")
    dial = v4l2_dial(source.options.live)
    assert dial.demuxer == "v4l2" and dial.stamped
    assert dial.settings.items() >= {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}.items()
    assert stream_name("webcam:0?size=1280x720") == "webcam0"


@pytest.mark.parametrize("query", ["size=big", "fps=0", "zoom=2", "size=0x10", "fps=fast"])
def test_nonsense_is_refused(query):
    with pytest.raises(SourceError, match="for instance"):
        create_source(f"webcam:0?{query}", SourceOptions(stream="s"))


def test_this_ffmpeg_has_the_demuxer_and_knows_its_options():
    """Opening a file that is no device must fail for that reason and not for an unknown option."""
    demuxer = av.format.ContainerFormat("v4l2")
    assert demuxer.is_input
    known = {option.name for option in demuxer.options} if hasattr(demuxer, "options") else None
    settings = v4l2_dial(LiveOptions(size=(64, 48), fps=5, pixel_format="mjpeg")).settings
    assert known is None or set(settings) <= known


def test_a_camera_that_is_not_plugged_in_fails_or_is_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.sources.webcam.find_device.__defaults__", (tmp_path, tmp_path))
    alone = WebcamSource("7", SourceOptions(stream="s"))
    with pytest.raises(SourceError, match="no such camera; found: none"):
        alone.open()
    assert alone.state is SourceState.FAILED
    among_others = WebcamSource("7", SourceOptions(stream="s"))
    among_others.open(patient=True)
    assert among_others.state is SourceState.RECONNECTING
    among_others.close()
