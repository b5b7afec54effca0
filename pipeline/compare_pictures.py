"""Pictures of a comparison: the frame with its points, and beside it every method's bodies."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from engines.body import BodyModel
from pipeline.compare_methods import MethodFrame
from pipeline.draw import colour_of, draw_bodies, draw_meshes, draw_skeleton
from pipeline.types import Frame, TrackedBody

WIDTH_PX = 1920
"""Of the whole sheet, at most."""
_BAR = 26
"""Height of a tile's title."""


def columns_for(tiles: int, aspect: float) -> int:
    """How many tiles of that aspect (width over height) stand side by side so that the sheet is nearest to 16:9 and
    has few empty places."""

    def misfit(columns: int) -> float:
        rows = math.ceil(tiles / columns)
        empty = columns * rows - tiles
        return abs(math.log(columns * aspect / rows / (16 / 9))) + 0.6 * empty / columns

    return min(range(tiles, 0, -1), key=lambda columns: round(misfit(columns), 3))


def sheet(frame: Frame, methods: Mapping[str, MethodFrame], names: list[str], body: BodyModel) -> np.ndarray:
    """(H, W, 3) uint8 RGB with even sides: the frame with its points, then one tile per name in that order; a method
    that has nothing for this frame shows the bare picture. The layout depends on names and frame size alone."""
    columns = columns_for(len(names) + 1, frame.size[0] / frame.size[1])
    width = min(WIDTH_PX // columns, frame.size[0])
    small = cv2.resize(
        np.asarray(frame.image),
        (width, max(1, round(width * frame.size[1] / frame.size[0]))),
        interpolation=cv2.INTER_AREA,
    )
    scale = width / frame.size[0]
    first = small.copy()
    for tracked in next((seen.raw for seen in methods.values()), ()):
        points = tracked.estimate.points_px * np.array((scale, scale, 1), np.float32)
        draw_skeleton(first, points, colour_of(tracked.track_id), 1)
    tiles = [_titled(first, f"picture and points, frame {frame.index}")]
    for name in names:
        picture = small.copy()
        bodies = methods[name].bodies if name in methods else ()
        draw_bodies(picture, bodies, body, frame.intrinsics, scale=scale)
        tiles.append(_titled(picture, name + _agreement(bodies)))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    whole = np.vstack([np.hstack(tiles[row : row + columns]) for row in range(0, len(tiles), columns)])
    return np.ascontiguousarray(whole[: len(whole) // 2 * 2, : whole.shape[1] // 2 * 2])


def with_side_views(
    picture: np.ndarray, methods: Mapping[str, MethodFrame], names: list[str], body: BodyModel, size_px: int = 320
) -> np.ndarray:
    """A `sheet` (H, W, 3) with a row below it: the meshes alone as seen from the camera's right, one tile per name."""
    tiles = []
    for name in names:
        bodies = methods[name].bodies if name in methods else ()
        tiles.append(_titled(draw_meshes(bodies, body, (size_px, size_px), view="side"), f"{name}, from the side"))
    row = np.hstack(tiles)[:, : picture.shape[1]]
    below = np.full((row.shape[0], picture.shape[1], 3), 246, np.uint8)
    below[:, : row.shape[1]] = row
    return np.vstack([picture, below])


def _agreement(bodies: tuple[TrackedBody, ...]) -> str:
    ious = [tracked.estimate.quality for tracked in bodies if np.isfinite(tracked.estimate.quality)]
    return f"   quality {np.mean(ious):.2f}" if ious else ""


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    bar = np.full((_BAR, picture.shape[1], 3), 34, np.uint8)
    cv2.putText(bar, title, (8, _BAR - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (240, 240, 240), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])
