import pytest

from pipeline.sources import SourceError, open_source, register_source, stream_name
from pipeline.sources.registry import redact, split_spec


def test_paths_and_schemes(tmp_path):
    (tmp_path / "a:b.mp4").write_bytes(b"")
    (tmp_path / "p.JPG").write_bytes(b"")
    assert split_spec(str(tmp_path)) == ("images", str(tmp_path))
    assert split_spec(str(tmp_path / "a:b.mp4"))[0] == "file", "a colon in a path is no scheme"
    assert split_spec(str(tmp_path / "p.JPG"))[0] == "images"
    assert split_spec("webcam:0") == ("webcam", "0")
    assert split_spec("rtsp://u:p@h:8554/x") == ("rtsp", "rtsp://u:p@h:8554/x")
    assert split_spec("test:") == ("test", "")
    assert split_spec("demo") == ("demo", "")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "empty"),
        ("webcm:0", "did you mean webcam:0"),
        ("nowhere.mp4", "no such file"),
        ("file:no.mp4", "no such file"),
        ("test:fsp=3", "did you mean fps"),
        ("test:fps=0", "fps is 0"),
        ("test:fps=x", "could not convert"),
        ("test:size=8x8", "size is 8x8"),
        ("test:seconds=-1", "seconds is -1"),
        ("webcam:93", "no such camera"),
    ],
)
def test_nonsense_is_explained(spec, words):
    with pytest.raises(SourceError, match=words):
        open_source(spec)


def test_credentials_stay_out_of_errors():
    with pytest.raises(SourceError) as info:
        open_source("rtsp://admin:hunter2@127.0.0.1:9/x")
    assert "hunter2" not in str(info.value) and "admin" not in str(info.value)
    assert redact("rtsp://a:b@c@host/x?y=1") == "rtsp://host/x?y=1"


def test_stream_names():
    taken = []
    for spec in [
        "a/street.mp4",
        "b/street.mp4",
        "webcam:0",
        "rtsp://u:secret@cam.local:554/one/two",
        "test:fps=3",
        "x y.mp4",
    ]:
        taken.append(stream_name(spec, taken))
    assert taken == ["street", "street-2", "webcam0", "cam.local-one-two", "test", "x-y"]


def test_a_scheme_from_outside():
    from pipeline.sources.pattern import create

    register_source("mirror", lambda rest, options: create(rest, options))
    with open_source("mirror:people=0,seconds=0.1,fps=20") as source:
        assert len(list(source)) == 2
    with pytest.raises(ValueError, match="taken"):
        register_source("file", create)
