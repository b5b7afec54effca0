"""The benchmark's video has the size and length it promises."""

import av
import pytest

from pipeline.bench_video import write_scaled
from pipeline.errors import SourceError


def test_a_source_is_scaled_to_h264(tmp_path):
    target = tmp_path / "deep" / "video.mp4"
    write_scaled("test:seconds=1,fps=10,size=160x120", target, size=(320, 240), max_frames=6)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 320, 240)
        assert sum(1 for _ in container.decode(stream)) == 6
    assert [path.name for path in target.parent.iterdir()] == ["video.mp4"]


def test_a_missing_source_leaves_nothing_behind(tmp_path):
    with pytest.raises(SourceError, match="missing"):
        write_scaled(str(tmp_path / "missing.mp4"), tmp_path / "video.mp4")
    assert not list(tmp_path.iterdir())
