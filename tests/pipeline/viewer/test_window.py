"""The Open3D window, drawn off screen: what is in it, and what its pictures show."""

import cv2
import numpy as np
import open3d  # noqa: F401  (an optional package: without it this module is skipped, with the reason)
import pytest

from engines.body import load_body
from pipeline.client import Subscription
from pipeline.errors import OutputError, UsageError
from pipeline.log_format import skeleton_record
from pipeline.sinks.recorder import Recorder
from pipeline.sinks.wire_streams import WireStream
from pipeline.viewer import main
from pipeline.viewer.live import LiveViewer
from pipeline.viewer.replay import LogPlayer
from pipeline.viewer.scene import COLOURS
from pipeline.viewer.window import DOWN, LEFT, RIGHT, SPACE, BodyWindow
from pipeline.wire import encode
from tests.pipeline.synthetic_results import result

BODY = load_body()


@pytest.fixture
def window():
    try:
        window = BodyWindow(BODY, visible=False, size=(320, 240))
    except OutputError as error:
        pytest.skip(str(error))
    yield window
    window.close()


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model=BODY.identity, method="none", weights={}))
    for index in range(20):
        recorder.write(result(BODY, index, (1, 2) if index >= 7 else (1,)))
    recorder.close()
    return path


def picture(window, path):
    window.snapshot(path)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)


def coloured(image, track_id):
    """How many pixels have the hue of that person's colour."""
    colour = np.array(COLOURS[track_id % len(COLOURS)], float)
    length = np.linalg.norm(image, axis=2) + 1e-9
    alike = (image @ colour) / (length * np.linalg.norm(colour))
    return int(((alike > 0.99) & (np.ptp(image, axis=2) > 40)).sum())


def test_people_come_into_the_picture_and_leave_it(window, tmp_path):
    stream = WireStream("cam1", epoch=5)
    with Subscription("tcp://127.0.0.1:1") as client:
        viewer = LiveViewer(window, client)
        client.receive(encode(stream.static(BODY, None)))
        viewer.step(client.receive(encode(stream.frame(result(BODY, 3, (1, 2)), BODY, None))), 100.0)
        assert sorted(window.shown("cam1")) == [1, 2]
        estimate = result(BODY, 3, (1, 2)).bodies[1].estimate
        truth = BODY.forward(estimate.pose, estimate.betas, estimate.translation, 1).vertices[0]
        np.testing.assert_allclose(window.shown("cam1")[2], truth, atol=5e-4)
        both = picture(window, tmp_path / "both.png")
        assert coloured(both, 1) > 300 and coloured(both, 2) > 300
        viewer.step(client.receive(encode(stream.frame(result(BODY, 4, (2,)), BODY, None))), 100.8)
        viewer.step(None, 101.1)  # person 1 has expired
        one = picture(window, tmp_path / "one.png")
        assert coloured(one, 1) < 20 and coloured(one, 2) > 300


def test_keys_play_a_log(window, log):
    player = LogPlayer(window, log)
    player.step(0.0)
    window.gui.on_key[SPACE]()
    player.step(0.3)
    assert player._shown == 0, "paused"
    for _ in range(3):
        window.gui.on_key[RIGHT]()
        player.step(0.0)
    window.gui.on_key[LEFT]()
    player.step(0.0)
    assert player._shown == 2
    window.gui.on_key[SPACE]()
    window.gui.on_key[DOWN]()
    player.step(4.5 / 30)
    assert player._shown == 4, "at half speed"
    assert window.refresh()


def test_snapshot_command(log, tmp_path):
    path = tmp_path / "pictures" / "shot.png"
    assert main([str(log), "--viewer", "open3d", "--snapshot", str(path)]) == 0
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
    assert image.shape == (720, 1280, 3)
    assert coloured(image, 1) > 2000 and coloured(image, 2) > 2000, "the frame with most people"


def test_snapshot_needs_open3d(log, tmp_path):
    with pytest.raises(UsageError, match="--viewer open3d"):
        main([str(log), "--snapshot", str(tmp_path / "x.png")])
