import cv2
import numpy as np
import pytest

from pipeline.sources import SourceError, open_source
from pipeline.sources.images import read_picture
from tests.pipeline.sources.video_files import corner_names, quadrant_picture


def save(path, image):
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def exif_orientation(jpeg: bytes, value: int) -> bytes:
    """The JPEG with an EXIF header that holds nothing but the orientation."""
    tiff = (
        b"II*\x00\x08\x00\x00\x00"
        + b"\x01\x00"
        + b"\x12\x01\x03\x00\x01\x00\x00\x00"
        + bytes([value, 0, 0, 0])
        + bytes(4)
    )
    app1 = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(app1) + 2).to_bytes(2, "big") + app1 + jpeg[2:]


def test_sorted_unrelated_and_of_any_size(tmp_path):
    sizes = {"b.png": (40, 30), "a.jpg": (33, 21), "c.webp": (64, 48), "10.bmp": (20, 20)}
    for name, (width, height) in sizes.items():
        save(tmp_path / name, quadrant_picture(width, height))
    (tmp_path / "notes.txt").write_text("no picture")
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert [frame.size for frame in frames] == [sizes[name] for name in sorted(sizes)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert all(frame.unrelated for frame in frames)
    assert source.skipped == 0


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "cut_with_thumbnail"])
def test_a_broken_picture_is_named_counted_and_left_out(tmp_path, damage, caplog):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(tmp_path / name, np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8))
    whole = (tmp_path / "b.jpg").read_bytes()
    thumbnail = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    header = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    cut = whole[: len(whole) * 2 // 3]
    broken = {
        "empty": b"",
        "text": b"not a picture",
        "cut": cut,
        "cut_with_thumbnail": cut[:2] + header + cut[2:],
    }[damage]
    (tmp_path / "b.jpg").write_bytes(broken)
    with open_source(str(tmp_path)) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == [0, 2], "the index counts the files"
    assert source.skipped == 1
    assert "b.jpg" in caplog.text


def test_first_picture_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(tmp_path / "b.png", quadrant_picture(20, 20))
    with open_source(str(tmp_path)) as source:
        assert [frame.index for frame in source] == [1]


def test_exif_orientation_is_applied(tmp_path):
    path = save(tmp_path / "a.jpg", quadrant_picture(96, 64))
    path.write_bytes(exif_orientation(path.read_bytes(), 6))  # shown a quarter turn clockwise
    image = read_picture(path)
    assert image.shape == (96, 64, 3)
    assert corner_names(image) == ("bottom_left", "top_left", "bottom_right", "top_right")


@pytest.mark.parametrize("picture", [np.full((9, 7), 77, np.uint8), np.full((9, 7, 4), 77, np.uint8), np.full((9, 7, 3), 77 * 257, np.uint16)])  # fmt: skip  # noqa: E501
def test_grey_alpha_and_16_bits_become_rgb(tmp_path, picture):
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    image = read_picture(tmp_path / "a.png")
    assert image.shape == (9, 7, 3) and image.dtype == np.uint8
    assert (image == 77).all()


def test_a_single_picture_is_a_source(tmp_path):
    path = save(tmp_path / "only.png", quadrant_picture(30, 20))
    with open_source(str(path)) as source:
        assert [frame.size for frame in source] == [(30, 20)]


def test_nothing_to_read(tmp_path):
    with pytest.raises(SourceError, match="no pictures"):
        open_source(str(tmp_path))
    (tmp_path / "a.jpg").write_bytes(b"junk")
    with pytest.raises(SourceError, match="none of the 1"):
        open_source(str(tmp_path))
