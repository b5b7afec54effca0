import itertools

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from pipeline.sources import Delivery, open_source
from pipeline.sources.pattern import PatternConfig, background, motion


def test_length_size_and_pace():
    with open_source("test:seconds=0.3,fps=20,size=320x240") as source:
        assert source.delivery is Delivery.LATEST
        frames = list(source)
    assert len(frames) == 6
    assert all(frame.size == (320, 240) for frame in frames)
    np.testing.assert_allclose([frame.pts_s for frame in frames], np.arange(6) / 20)
    for frame in frames:
        assert (frame.capture_ns - frames[0].capture_ns) / 1e9 >= frame.pts_s - 0.002, "no frame comes early"


def test_bodies_stand_where_the_motion_says_and_move():
    with open_source("test:seconds=1,fps=10,people=2,size=320x240") as source:
        pictures = [source.paint(t) for t in (0.0, 0.4)]
    empty = background(320, 240)
    camera = Intrinsics.from_fov(320, 240)
    drawn = [np.abs(picture.astype(int) - empty).sum(axis=2) > 30 for picture in pictures]
    for mask, time_s in zip(drawn, (0.0, 0.4), strict=True):
        assert 0.02 < mask.mean() < 0.3
        for person in range(2):
            pose, place = motion(time_s, person, 2)
            x, y = camera.project(place)
            assert mask[int(y), int(x)], "the pelvis lies inside the body"
            head = load_body().joints(pose[None], np.zeros((1, 10), np.float32), place[None])[0, 15]
            assert head[1] < place[1], "upright"
    assert (drawn[0] != drawn[1]).mean() > 0.005


def test_nobody():
    with open_source("test:people=0,seconds=1") as source:
        np.testing.assert_array_equal(source.paint(0.3), background(640, 480))


def test_close_from_outside_ends_an_endless_pattern():
    source = open_source("test:people=0,fps=200,size=64x48")
    count = 0
    for count in itertools.count(1):
        if source.read() is None:
            break
        if count == 3:
            source.close()
    assert count == 4


def test_parse():
    assert PatternConfig.parse("") == PatternConfig()
    assert PatternConfig.parse("fps=15,size=10x20".replace("10x20", "100x200")).height == 200
    with pytest.raises(ValueError, match="people is 17"):
        PatternConfig.parse("people=17")
