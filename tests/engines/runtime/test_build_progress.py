"""The share of a build that is done, and the time left, from TensorRT's nested phases."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.runtime.build_progress import PhaseTree, shown_in_terminal


def test_a_phase_fills_the_step_of_its_parent():
    tree = PhaseTree(clock=itertools.count().__next__)
    tree.start("build", None, 4)
    assert tree.share == 0 and tree.seconds_left is None
    tree.step("build")
    assert tree.share == pytest.approx(0.25)
    tree.start("kernels", "build", 2)
    tree.step("kernels")
    assert tree.share == pytest.approx(0.375)
    tree.finish("kernels")
    tree.step("build")
    assert tree.share == pytest.approx(0.5)


def test_the_time_left_follows_the_pace():
    now = [0.0]
    tree = PhaseTree(clock=lambda: now[0])
    tree.start("build", None, 10)
    for _ in range(2):
        now[0] += 3
        tree.step("build")
    assert tree.seconds_left == pytest.approx(24)
    tree.finish("build")
    assert tree.share == 1 and tree.seconds_left == 0


STEPS = st.lists(st.tuples(st.sampled_from(["start", "step", "finish"]), st.sampled_from("abc")), max_size=40)


@given(STEPS)
def test_the_share_never_falls_and_never_leaves_its_range_whatever_is_reported(calls):
    tree, last, names = PhaseTree(), 0.0, [None]
    for what, phase in calls:
        if what == "start":
            tree.start(phase, names[-1], 3)
            names.append(phase)
        else:
            getattr(tree, what)(phase)
        assert last <= tree.share <= 1
        last = tree.share


def test_without_a_terminal_nothing_is_drawn(capsys):
    with shown_in_terminal("net.onnx") as report:
        report(0.5, 3.0)
    assert capsys.readouterr().err == ""
