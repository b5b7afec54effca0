"""A decoded picture is let go as soon as nobody uses it; the collector comes far too rarely for megabytes."""

import gc

import av
import pytest

from pipeline.sources import open_source
from pipeline.sources.decode import display_matrix, to_rgb
from tests.pipeline.sources.video_files import level_picture, write_video

COUNT = 20


@pytest.fixture
def no_collections():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pictures_held() -> int:
    return sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())


@pytest.mark.parametrize("rotation", [None, 90])
def test_pictures_are_not_kept(tmp_path, no_collections, rotation):
    path = write_video(tmp_path / "v.mp4", [level_picture(level) for level in range(COUNT)], rotation=rotation)
    before, count = pictures_held(), 0
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            assert (display_matrix(picture) is None) == (rotation is None)
            to_rgb(picture)
            count += 1
        assert pictures_held() <= before + 3, "the last packet may hold several"
    assert count == COUNT


def test_a_source_keeps_none(tmp_path, no_collections):
    path = write_video(tmp_path / "v.mp4", [level_picture(level) for level in range(COUNT)])
    before = pictures_held()
    with open_source(str(path), threads=1) as source:
        assert len(list(source)) == COUNT
    assert pictures_held() <= before + 3
