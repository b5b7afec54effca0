import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.base import TRANSITIONS, CameraOption, Source, SourceOptions, SourceState
from pipeline.types import Frame

OPTIONS = SourceOptions(stream="s")


class ScriptedSource(Source):
    """Follows a script: "frame", "end", "lost" (reconnects, then a frame), or an exception."""

    def __init__(self, script, opens=True):
        super().__init__("scripted", OPTIONS)
        self.script, self.opens, self.released, self.states = iter(script), opens, 0, []
        self.on_state.append(lambda _, state: self.states.append(state))

    def _open(self):
        if not self.opens:
            raise SourceError("nothing there")

    def _next(self):
        step = next(self.script)
        if step == "end":
            return None
        if step == "lost":
            self._move(SourceState.RECONNECTING)
            self._move(SourceState.RUNNING)
        elif step != "frame":
            raise step
        return Frame(
            stream="s",
            index=0,
            image=np.zeros((2, 2, 3), np.uint8),
            capture_ns=0,
            pts_s=0.0,
            intrinsics=CameraOption().for_size(2, 2),
        )

    def _release(self):
        self.released += 1


STEPS = st.sampled_from(["frame", "end", "lost", SourceError("broke"), ValueError("bug")])


@given(st.lists(STEPS, max_size=6), st.booleans(), st.integers(0, 8))
def test_every_history_is_a_path_of_legal_transitions(script, opens, close_after):
    source = ScriptedSource([*script, "end"], opens)
    try:
        source.open()
        for _ in range(close_after):
            if source.read() is None:
                break
    except (SourceError, ValueError):
        assert source.state is SourceState.FAILED
    source.close()
    source.close()
    path = [SourceState.IDLE, *source.states]
    assert all(after in TRANSITIONS[before] for before, after in itertools.pairwise(path))
    assert source.state in (SourceState.ENDED, SourceState.FAILED)
    assert source.released == 1
    assert source.read() is None


def test_states_of_a_connection_that_was_lost():
    source = ScriptedSource(["frame", "lost", "end"])
    source.open()
    assert len(list(source)) == 2
    assert [s.value for s in source.states] == ["opening", "running", "reconnecting", "running", "ended"]


def test_illegal_use_is_refused():
    source = ScriptedSource(["end"])
    with pytest.raises(RuntimeError, match="idle"):
        source.read()
    source.open()
    with pytest.raises(RuntimeError, match="cannot go from running to opening"):
        source.open()
    source.close()
    with pytest.raises(RuntimeError, match="cannot go from ended to opening"):
        source.open()


@pytest.mark.parametrize("stream", ["", "a b", "a/b", "ü*"])
def test_stream_names_fit_topics_and_file_names(stream):
    with pytest.raises(ValueError, match="stream name"):
        SourceOptions(stream=stream)


def test_camera_option():
    assert CameraOption().for_size(640, 480).assumed
    given_fov = CameraOption(fov_deg=90).for_size(640, 480)
    assert given_fov.fx == pytest.approx(320) and not given_fov.assumed
    fixed = CameraOption(intrinsics=(500, 510, 300, 200)).for_size(640, 480)
    assert (fixed.fx, fixed.fy, fixed.cx, fixed.cy, fixed.assumed) == (500, 510, 300, 200, False)
    with pytest.raises(ValueError, match="exclude"):
        CameraOption(fov_deg=90, intrinsics=(1, 1, 1, 1))
    with pytest.raises(ValueError, match="fx is -1"):
        CameraOption(intrinsics=(-1, 1, 1, 1))
