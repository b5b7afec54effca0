"""The worst cases as pictures: what was found in colour, what is true in white."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from engines.keypoints import COCO_EDGES, JOINT_PARENTS

TILE_PX = 288
COLUMNS = 6
JOINT_EDGES = tuple((joint, parent) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0)
FOUND, TRUE = (255, 140, 0), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class WorstCase:
    """One tile."""

    image: np.ndarray
    """(S, S, 3) uint8 RGB."""
    found: np.ndarray
    """(17 or 24, 3) x, y in pixels of ``image`` and whether to draw it."""
    true: np.ndarray
    """Likewise."""
    title: str


def write_sheet(path: Path, cases: Sequence[WorstCase]) -> None:
    """Six to a row, as a PNG. Raises OSError; without cases nothing is written."""
    if not cases:
        return
    tiles = [_tile(case) for case in cases]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    sheet = np.vstack([np.hstack(tiles[row : row + COLUMNS]) for row in range(0, len(tiles), COLUMNS)])
    ok, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    assert ok
    path.write_bytes(png.tobytes())


def _tile(case: WorstCase) -> np.ndarray:
    scale = TILE_PX / case.image.shape[1]
    picture = cv2.resize(case.image, (TILE_PX, TILE_PX), interpolation=cv2.INTER_LINEAR)
    picture = np.ascontiguousarray((picture * 0.75).astype(np.uint8))
    for points, colour, width in ((case.true, TRUE, 3), (case.found, FOUND, 1)):
        edges = COCO_EDGES if len(points) == 17 else JOINT_EDGES
        at = np.round(np.nan_to_num(points[:, :2] * scale).clip(-9999, 9999)).astype(int)
        for a, b in edges:
            if points[a, 2] > 0 and points[b, 2] > 0:
                cv2.line(picture, at[a].tolist(), at[b].tolist(), colour, width, cv2.LINE_AA)
        for (x, y), drawn in zip(at, points[:, 2] > 0, strict=True):
            if drawn:
                cv2.circle(picture, (int(x), int(y)), width + 1, colour, -1, cv2.LINE_AA)
    cv2.putText(picture, case.title, (5, TILE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, case.title, (5, TILE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, TRUE, 1, cv2.LINE_AA)
    return picture
