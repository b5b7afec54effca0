"""The demo clip: what it draws is where its truth says, and it plays as every other source does."""

from __future__ import annotations

import numpy as np
import pytest

from engines.body import load_body
from engines.body.rotations import rotation_matrices
from engines.camera import Intrinsics
from pipeline.errors import SourceError
from pipeline.sources.base import SourceState
from pipeline.sources.demo import create
from pipeline.sources.demo_motion import MOTIONS, load_motions
from pipeline.sources.registry import open_source


@pytest.fixture(scope="module")
def demo():
    with open_source("demo:seconds=9,people=3") as source:
        yield source


@pytest.fixture(scope="module")
def empty():
    with open_source("demo:people=0") as source:
        yield source


def changed(demo, empty, index: int) -> np.ndarray:
    """(H, W) bool: where a frame differs clearly from the empty room."""
    difference = np.abs(demo.picture(index).astype(int) - empty.picture(index)).max(axis=2)
    return difference > 40


@pytest.mark.parametrize("index", [20, 45, 110])
def test_people_are_drawn_where_the_truth_says(demo, empty, index):
    drawn = changed(demo, empty, index)
    camera = Intrinsics.from_fov(1280, 720)
    hits = total = 0
    outline = np.zeros_like(drawn)
    for body in demo.truth(index):
        points = camera.project(body.joints).astype(int)
        for x, y in points[((points >= 8) & (points < (1272, 712))).all(axis=1)]:
            hits += drawn[y - 3 : y + 4, x - 3 : x + 4].mean() > 0.5
            total += 1
        vertices = camera.project(load_body().forward(body.pose, body.betas, body.translation).vertices[0])
        low, high = vertices.min(axis=0).astype(int) - 12, vertices.max(axis=0).astype(int) + 12
        outline[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)] = True
    assert total >= 40 and hits / total > 0.85
    shadow_free = drawn.copy()
    shadow_free[470:] = False  # shadows lie on the floor only
    assert (shadow_free & outline).sum() / shadow_free.sum() > 0.99, "nothing else changes in the room"


def test_truth_is_the_body_model_posed_and_stands_on_the_floor(demo):
    body = load_body()
    for index in (0, 33, 77, 150):
        for true in demo.truth(index):
            joints = body.joints(true.pose, true.betas, true.translation)[0]
            np.testing.assert_allclose(true.joints, joints, atol=1e-5)
            np.testing.assert_allclose(true.joints[0], true.translation, atol=1e-5)
            world = true.joints @ demo._room.rotation + demo._room.position
            assert 0 < world[(7, 8), 1].min() < 0.2, "the lower ankle is just above the floor"
            assert world[15, 1] > 1.2


@pytest.mark.parametrize("pitch", [0, 25])
def test_a_camera_that_looks_down_sees_people_on_the_floor_from_above(pitch):
    with open_source(f"demo:seconds=1,people=2,pitch={pitch}") as source:
        for true in source.truth(20):
            upwards = true.joints[12] - true.joints[(7, 8), :].mean(0)
            assert np.degrees(np.arctan2(-upwards[2], -upwards[1])) == pytest.approx(pitch + 3, abs=6), "nearly upright"
            world = true.joints @ source._room.rotation + source._room.position
            assert 0 < world[(7, 8), 1].min() < 0.2
            rows = source._room.camera.project(true.joints)[:, 1]
            assert 0 < rows.min() < rows.max() < 720, "and are in the picture"


def test_motion_is_smooth_also_where_the_clip_repeats(demo):
    everybody = np.array([[body.joints for body in demo.truth(i)] for i in range(140, 330)])
    for joints in everybody.transpose(1, 0, 2, 3):
        inside = np.abs(joints[:, 0, 0] / joints[:, 0, 2]) < 0.6  # out of the picture a body may turn at once
        steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(axis=1)
        assert steps[inside[1:] & inside[:-1]].max() < 0.35


def test_someone_crosses_in_front_leaves_and_comes_back(demo):
    pelvis = np.array([[body.joints[0] for body in demo.truth(i)] for i in range(0, 270, 3)])
    stays, column = (640 + 1229 * pelvis[:, :2, 0] / pelvis[:, :2, 2]).T
    assert (np.diff(np.sign(column - stays)) != 0).sum() >= 2, "passes the other person twice or more"
    assert column.min() < -50, "and leaves the picture"


def test_the_same_frame_always_looks_the_same(demo):
    assert (demo.picture(12) == demo.picture(12)).all()
    assert (demo.picture(12) != demo.picture(13)).any()


def test_it_plays_as_a_source():
    with open_source("demo:seconds=0.2,people=1", stream="d") as source:
        frames = list(source)
    assert source.state is SourceState.ENDED
    assert [frame.index for frame in frames] == list(range(6)) and source.frame_count == 6
    np.testing.assert_allclose([frame.pts_s for frame in frames], np.arange(6) / 30)
    assert {frame.size for frame in frames} == {(1280, 720)}
    assert not frames[0].intrinsics.assumed and frames[0].intrinsics.fx == pytest.approx(1229.4, abs=0.1)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("seconds=x", "seconds is 'x', it must be a number"),
        ("seconds=-1", "seconds is -1"),
        ("people=9", "people is 9, it must be 0 to 3"),
        ("pitch=60", "pitch is 60, it must be 0 to 40 degrees"),
        ("poeple=1", "there is no option 'poeple'"),
    ],
)
def test_nonsense_is_one_clear_error(rest, message):
    from pipeline.sources.base import SourceOptions

    with pytest.raises(SourceError, match=message):
        create(rest, SourceOptions(stream="d"))


def test_shipped_motions_are_whole_and_acknowledged():
    motions = load_motions()
    assert {name: len(motion) for name, motion in motions.items()} == {n: count for n, (_, _, count) in MOTIONS.items()}
    for motion in motions.values():
        assert np.isfinite(motion.pose).all() and np.isfinite(motion.place).all()


def test_a_mirrored_motion_mirrors_the_body():
    body, motion = load_body(), load_motions()["stay"]
    mirrored = motion.mirrored()
    a = body.joints(motion.pose[:1], np.zeros(10), motion.place[:1])[0]
    b = body.joints(mirrored.pose[:1], np.zeros(10), mirrored.place[:1])[0]
    np.testing.assert_allclose(b[21], a[20] * (-1, 1, 1), atol=0.02)
    assert rotation_matrices(mirrored.pose[0]).shape == (24, 3, 3)
