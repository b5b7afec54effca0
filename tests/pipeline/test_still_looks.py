"""More looks at pictures that stand alone, with an estimator that knows which way the picture has to be turned."""

from dataclasses import replace

import numpy as np

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import POINT_NAMES
from engines.methods import CropRequest
from engines.turned_picture import turned_picture
from pipeline.still_looks import look_again

SIZE = (120, 80)
"""Width, height."""


class Reader:
    """Finds a square of four corner points around the white spot; sure only where the picture is turned so that the
    black spot lies above the white one."""

    def __init__(self) -> None:
        self.asked: list[CropRequest] = []

    def __call__(self, requests: list[CropRequest]) -> list[BodyEstimate]:
        self.asked += requests
        return [self._one(request) for request in requests]

    @staticmethod
    def _one(request: CropRequest) -> BodyEstimate:
        picture = np.asarray(request.image)[..., 0]
        white, black = (np.argwhere(picture == level)[0][::-1] + 0.5 for level in (255, 0))
        upright = black[1] < white[1] - 5
        corners = white + np.array([(-10, -10), (10, -10), (10, 10), (-10, 10)])
        points = np.zeros((41, 3), np.float32)
        points[:4, :2], points[:4, 2] = corners, 0.9
        return BodyEstimate(
            pose=np.zeros((24, 3), np.float32),
            betas=np.zeros(10, np.float32),
            quality=1.0,
            translation=np.array([0, 0, 3], np.float32),
            joints=np.zeros((24, 3), np.float32),
            points_px=points,
            score=0.9 if upright else 0.4,
        )


def marked(turns: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture that is upright when turned by ``turns``, and the place of its white spot (x, y)."""
    picture = np.full((SIZE[1], SIZE[0], 3) if turns % 2 == 0 else (*SIZE, 3), 128, np.uint8)
    picture[40, 50], picture[20, 50] = 255, 0
    picture = np.ascontiguousarray(turned_picture(picture, -turns % 4))
    return picture, np.argwhere(picture[..., 0] == 255)[0][::-1] + 0.5


def look(turns: int) -> tuple[BodyEstimate, np.ndarray, Reader]:
    picture, white = marked(turns)
    request = CropRequest(
        image=picture, center_px=white + 7, side_px=60.0, intrinsics=Intrinsics.from_fov(*picture.shape[1::-1])
    )
    reader = Reader()
    first = reader([request])
    return look_again(reader, [request], first, [0.45])[0], white, reader


def test_who_is_upside_down_is_read_in_the_turned_picture():
    for turns in range(4):
        found, white, reader = look(turns)
        assert found.score == 0.9
        assert np.allclose(found.points_px[:4, :2].mean(0), white, atol=1e-3)
        # Once as asked, three turns where that was doubtful, and once more around the own points.
        assert len(reader.asked) == (2 if turns == 0 else 5)
        assert reader.asked[-1].side_px < 40


def test_who_says_to_hang_is_read_in_the_turned_picture_though_sure():
    """The other way up the same reader is hardly surer; sideways, by far less than the gain that is asked for."""
    names = [POINT_NAMES.index(f"{side}_{name}") for name in ("shoulder", "hip") for side in ("left", "right")]

    class Sure(Reader):
        @staticmethod
        def _one(request: CropRequest) -> BodyEstimate:
            found = Reader._one(request)
            white, black = (np.argwhere(request.image[..., 0] == level)[0][::-1] + 0.5 for level in (255, 0))
            found.points_px[names] = [(*black, 0.9)] * 2 + [(*white, 0.9)] * 2
            return replace(found, score=0.86 if black[1] < white[1] - 5 else 0.85)

    for turns in range(4):
        picture, white = marked(turns)
        request = CropRequest(
            image=picture, center_px=white, side_px=60.0, intrinsics=Intrinsics.from_fov(*picture.shape[1::-1])
        )
        reader = Sure()
        found = look_again(reader, [request], reader([request]), [0.45])[0]
        assert found.score == 0.86
        assert len(reader.asked) == (2 if turns == 0 else 5)


def test_nobody_asked_for_costs_nothing():
    reader = Reader()
    assert look_again(reader, [], [], []) == [] and not reader.asked
