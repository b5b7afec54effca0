"""The sheet: which pictures it keeps for runs of any length, and that they show the run."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from pipeline.errors import OutputError
from pipeline.sinks.contact_sheet import ContactSheet
from pipeline.types import Frame, FrameResult

CAMERA = Intrinsics.from_fov(64, 36)


@pytest.fixture(scope="module")
def body():
    return load_body()


def grey(index: int, size: tuple[int, int] = (64, 36)) -> FrameResult:
    """A picture whose brightness tells its index."""
    image = np.full((size[1], size[0], 3), index % 256, np.uint8)
    frame = Frame(stream="cam", index=index, image=image, capture_ns=index, pts_s=index / 10, intrinsics=CAMERA)
    return FrameResult(frame=frame, bodies=())


@pytest.mark.parametrize("count", [1, 5, 12, 24, 25, 100, 255])
def test_pictures_are_spread_over_a_run_of_any_length(body, tmp_path, count):
    sheet = ContactSheet(tmp_path / "s.png", body, tile_px=64)
    for index in range(count):
        sheet.write(grey(index))
    sheet.close()
    image = cv2.imread(str(tmp_path / "s.png"))
    tops = image[2::36, 2::64, 0].reshape(-1)
    shown = [int(value) for i, value in enumerate(tops) if i == 0 or value > 0]
    assert len(shown) == min(count, 12)
    assert shown == sorted(shown) and shown[0] == 0
    gaps = np.diff([*shown, count - 1 if shown[-1] != count - 1 else count])
    assert gaps.max() <= max(1, 2 * count / len(shown)), "no part of the run is left out"


def test_memory_is_bounded(body, tmp_path):
    sheet = ContactSheet(tmp_path / "s.png", body, tile_px=64)
    for index in range(2000):
        sheet.write(grey(index))
    assert len(sheet._kept) <= 24
    assert sum(result.frame.image.strides[0] for result, _ in sheet._kept) == 0, "full pictures are let go"


def test_pictures_of_different_sizes_share_a_sheet(body, tmp_path):
    sheet = ContactSheet(tmp_path / "s.png", body, tile_px=60)
    sheet.write(grey(100, (60, 30)))
    sheet.write(grey(200, (30, 60)))
    sheet.close()
    assert cv2.imread(str(tmp_path / "s.png")).shape == (60, 120, 3)


def test_a_run_without_frames_leaves_no_sheet_and_bad_paths_are_said(body, tmp_path):
    ContactSheet(tmp_path / "s.png", body).close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="cannot write the contact sheet"):
        ContactSheet("/dev/null/s.png", body)
    with pytest.raises(ValueError, match="tiles is 0"):
        ContactSheet(tmp_path / "s.png", body, tiles=0)
