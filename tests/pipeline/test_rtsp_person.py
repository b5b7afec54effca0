"""A person before a real RTSP camera, through the whole program with its networks, to a subscriber and the log."""

import signal
from itertools import pairwise

import cv2
import numpy as np
import pytest

from engines.keypoints import JOINT_NAMES
from pipeline.bench_video import forth_and_back, read_pictures
from pipeline.client import subscribe
from pipeline.log import read_log
from pipeline.tracker_settings import TrackerSettings
from pipeline.wire import SourceState
from tests.pipeline.test_cli import REAL, finish, start

SIZE = (640, 360)
FRAMES_WITH_SOMEBODY = 12
PELVIS, HEAD = JOINT_NAMES.index("pelvis"), JOINT_NAMES.index("head")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The demo clip's person, wiping a window for a moment and back, as files for the server."""
    folder = tmp_path_factory.mktemp("person")
    clip = forth_and_back(read_pictures("demo:seconds=0.3,people=1"), range(9), rounds=1)
    for index, picture in enumerate(clip):
        cv2.imwrite(
            str(folder / f"{index:03d}.jpg"), cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA)[..., ::-1]
        )
    return folder / "%03d.jpg"


def test_a_person_before_an_rtsp_camera(rtsp, pictures, tmp_path):
    rtsp.start("--pictures", str(pictures), "--size", "{}x{}".format(*SIZE))
    address, log = f"ipc://{tmp_path}/socket", tmp_path / "p.mcap"
    process = start(
        REAL, "--source", f"rtsp://127.0.0.1:{rtsp.port}/live", "--publish", address,
        "--record", log, "--threads", "1", "--quiet",
    )  # fmt: skip
    seen = []
    try:
        with subscribe(address) as frames:
            while sum(bool(frame.bodies) for frame in seen) < FRAMES_WITH_SOMEBODY:
                assert process.poll() is None, process.communicate()
                if (frame := frames.next_frame(1.0)) is not None:
                    seen.append(frame)
    finally:
        process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 0, err

    populated = [frame for frame in seen if frame.bodies]
    # On a busy machine seconds may lie between two frames, and somebody lost that long comes back as somebody new.
    for before, after in pairwise(populated):
        if (after.capture_ns - before.capture_ns) / 1e9 < TrackerSettings().max_age_s:
            assert before.bodies[0].track_id in {body.track_id for body in after.bodies}
    assert {frame.stream for frame in seen} == {"127.0.0.1-live"} and {frame.image_size for frame in seen} == {SIZE}
    assert seen[-1].source_state is SourceState.RUNNING
    for frame in populated:
        joints = frame.bodies[0].joints()
        points = frame.intrinsics.project(joints)
        assert (points >= 0).all() and (points < SIZE).all(), "the person stands inside the picture"
        assert joints[HEAD, 1] < joints[PELVIS, 1] - 0.3, "upright: y points down"
        assert 1 < joints[PELVIS, 2] < 12

    recorded = read_log(log)
    logged = {frame.frame: [body.track_id for body in frame.bodies] for frame in recorded.frames}
    assert recorded.complete and [frame.index for frame in seen] == [i for i in logged if i in {f.index for f in seen}]
    assert all(logged[frame.index] == [body.track_id for body in frame.bodies] for frame in seen)
    assert np.all(np.diff([frame.timestamp_ns for frame in recorded.frames]) > 0)
