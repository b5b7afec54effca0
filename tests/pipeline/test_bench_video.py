"""The benchmark's video has the size, the length and the order it promises."""

import av
import numpy as np
import pytest

from pipeline.bench_video import CUT, SIZE, forth_and_back, read_pictures, write_scaled
from pipeline.errors import SourceError


def test_a_source_is_scaled_to_h264(tmp_path):
    target = tmp_path / "deep" / "video.mp4"
    write_scaled(read_pictures("test:seconds=0.3,fps=20,size=160x120"), target, size=(320, 240))
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 320, 240)
        assert sum(1 for _ in container.decode(stream)) == 6
    assert [path.name for path in target.parent.iterdir()] == ["video.mp4"]


def test_a_missing_source_leaves_nothing_behind(tmp_path):
    with pytest.raises(SourceError, match="missing"):
        write_scaled(read_pictures(str(tmp_path / "missing.mp4")), tmp_path / "video.mp4")
    assert not list(tmp_path.iterdir())


def test_it_goes_forth_and_back_without_a_jump_or_a_pause():
    pictures = (np.full((1, 1), value) for value in range(100))
    order = [int(picture[0, 0]) for picture in forth_and_back(pictures, range(10, 14), rounds=2)]
    assert order == [10, 11, 12, 13, 12, 11, 10, 11, 12, 13, 12, 11]


def test_the_cut_has_the_shape_of_the_video():
    rows, columns = (part.stop - part.start for part in CUT)
    assert columns / rows == pytest.approx(SIZE[0] / SIZE[1], rel=0.001)
