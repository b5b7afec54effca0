"""Both viewers without a browser: what they put on the page, and when it goes."""

import itertools
import socket
import time

import numpy as np
import pytest

from engines.body import load_body
from pipeline.client import Subscription, subscribe
from pipeline.errors import OutputError, UsageError
from pipeline.log import LogError
from pipeline.log_format import skeleton_record
from pipeline.sinks.publisher import Publisher
from pipeline.sinks.recorder import Recorder
from pipeline.sinks.wire_streams import WireStream
from pipeline.viewer import main
from pipeline.viewer.live import LiveViewer
from pipeline.viewer.replay import LogPlayer
from pipeline.viewer.scene import BodyScene
from pipeline.wire import SourceState, encode
from tests.pipeline.synthetic_results import result

BODY = load_body()


@pytest.fixture
def scene():
    scene = BodyScene(BODY, port=0)
    yield scene
    scene.close()


@pytest.fixture
def log(tmp_path):
    """30 frames at 30 Hz of cam1 with persons 1 and 2, and one frame of cam2 with nobody."""
    path = tmp_path / "run.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model=BODY.identity, method="none", weights={}))
    for index in range(30):
        recorder.write(result(BODY, index, (1, 2)))
    recorder.write(result(BODY, 0, (), stream="cam2"))
    recorder.close()
    return path


def truth(index, number=0, ids=(1, 2)):
    estimate = result(BODY, index, ids).bodies[number].estimate
    return BODY.forward(estimate.pose, estimate.betas, estimate.translation, 1).vertices[0]


def test_live_bodies_stand_on_the_page_until_they_expire(scene):
    stream = WireStream("cam1", epoch=5)
    with Subscription("tcp://127.0.0.1:1") as client:
        viewer = LiveViewer(scene, client)
        client.receive(encode(stream.static(BODY, None)))
        viewer.step(client.receive(encode(stream.frame(result(BODY, 3, (1, 2)), BODY, None))), 100.0)
        shown = scene.shown("cam1")
        assert sorted(shown) == [1, 2]
        np.testing.assert_allclose(shown[2], truth(3, 1), atol=5e-4)
        assert scene.ground_y("cam1") == pytest.approx(max(v[:, 1].max() for v in shown.values()))
        viewer.step(client.receive(encode(stream.frame(result(BODY, 4, (2,)), BODY, None))), 100.8)
        assert sorted(scene.shown("cam1")) == [1, 2]
        viewer.step(None, 101.1)
        assert sorted(scene.shown("cam1")) == [2]
        viewer.step(None, 102.0)
        assert scene.shown("cam1") == {}


def test_the_viewer_is_there_first_and_the_publisher_comes_and_comes_again(scene):
    """Over real sockets: nobody at the address, then a publisher, then another one with other people."""
    first = Publisher("tcp://127.0.0.1:0", BODY)
    address = first.bound_address
    first.close()

    def watch(viewer, ids):
        """Until these people alone are on the page; the test's time limit ends it otherwise."""
        publisher, index = Publisher(address, BODY), 0
        while sorted(scene.shown("cam1")) != ids:
            publisher.write(result(BODY, index, ids))
            viewer.step(client.next_frame(0.02), time.monotonic())
            index += 1
        np.testing.assert_allclose(scene.shown("cam1")[ids[0]], truth(view_index(viewer), 0, ids), atol=5e-4)
        publisher.close()

    with subscribe(address, latest=True) as client:
        viewer = LiveViewer(scene, client)
        viewer.step(client.next_frame(0.05), time.monotonic())
        assert scene.shown("cam1") == {}
        watch(viewer, [1, 2])
        watch(viewer, [2])
        watch(viewer, [5, 6])
        assert client.stats.restarts == 2


def test_the_state_of_a_camera_is_shown_also_while_it_sends_nothing(scene):
    publisher = Publisher("tcp://127.0.0.1:0", BODY)
    with subscribe(publisher.bound_address, latest=True) as client:
        viewer = LiveViewer(scene, client)
        for state in (SourceState.OPENING, SourceState.RECONNECTING):
            publisher.set_state("cam1", state)
            viewer.step(None, 0.0)
            moments = itertools.count(1)
            while f"**cam1** no frames, source {state.name.lower()}" not in viewer._readout.content:
                viewer.step(client.next_frame(0.02), float(next(moments)))
        while "cam1" not in viewer._streams:
            publisher.write(result(BODY, 0, (1,)))
            viewer.step(client.next_frame(0.02), float(next(moments)))
        publisher.set_state("cam1", SourceState.FAILED)
        while "source failed, frame 0" not in viewer._readout.content:
            viewer.step(client.next_frame(0.02), float(next(moments)))
        assert client.source_states == {"cam1": SourceState.FAILED}
    publisher.close()


def view_index(viewer):
    return viewer._streams["cam1"].frame.index


def test_a_log_plays_at_its_own_pace_and_begins_anew(scene, log):
    player = LogPlayer(scene, log)
    player.step(0.0)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(0), atol=2e-3)
    player.step(10.5 / 30)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(10), atol=2e-3)
    player.step(1.5)  # the last frame stays for a second
    np.testing.assert_allclose(scene.shown("cam1")[2], truth(29, 1), atol=2e-3)
    player.step(0.5)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(0), atol=2e-3)


def test_controls_of_the_player(scene, log):
    player = LogPlayer(scene, log)
    player.step(0.0)
    player._scrubber.value = 20
    player.step(0.001)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(20), atol=2e-3)
    player._play.value = False
    player.step(1.0)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(20), atol=2e-3)
    player._play.value, player._speed.value = True, "0.25x"
    player.step(4.5 / 30)
    np.testing.assert_allclose(scene.shown("cam1")[1], truth(21), atol=2e-3)


def test_a_stream_of_a_log_is_chosen_by_name(scene, log):
    LogPlayer(scene, log, "cam2").step(0.0)
    assert scene.shown("cam2") == {}
    with pytest.raises(LogError, match="cam1, cam2"):
        LogPlayer(scene, log, "cam3")


def test_a_busy_port_is_not_silently_exchanged():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError, match="--port"):
        BodyScene(BODY, port=taken.getsockname()[1])


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["missing.mcap", "--port", "0"], LogError),
        (["tcp://nowhere"], UsageError),
        (["x.mcap", "--body", "?"], UsageError),
    ],
)
def test_what_cannot_be_shown_is_an_error(argv, error, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        main(argv)
