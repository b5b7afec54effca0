"""Frames of pose logs as drawings of the bodies alone: as the camera sees them, and from the side.

python -m pipeline.log_sheet --out sheet.png poses.mcap:120 poses.mcap:133 other.mcap:7
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from engines.body import BodyModel, load_body
from pipeline.draw import draw_meshes
from pipeline.errors import BodystreamError, OutputError, UsageError
from pipeline.log import read_log, result_of
from pipeline.types import FrameResult

TILE_PX = 240
COLUMNS = 5


def draw_sheet(results: Sequence[tuple[str, FrameResult]], body: BodyModel) -> np.ndarray:
    """(title, frame) pairs -> (H, W, 3) uint8 RGB, five to a row, each the camera's view beside the side view."""
    tiles = [_tile(title, result, body) for title, result in results]
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(COLUMNS, len(tiles)))
    columns = min(COLUMNS, len(tiles))
    return np.vstack([np.hstack(tiles[row : row + columns]) for row in range(0, len(tiles), columns)])


def find_frames(spec: Sequence[str]) -> list[tuple[str, FrameResult]]:
    """`PATH.mcap:FRAME` each -> (`name FRAME`, frame). UsageError for a frame that the log does not hold."""
    logs: dict[str, dict[int, FrameResult]] = {}
    found = []
    for item in spec:
        path, _, number = item.rpartition(":")
        if not path or not number.isdigit():
            raise UsageError(f"{item!r} names no frame of a log; write it as poses.mcap:120")
        if path not in logs:
            logs[path] = {message.frame: result_of(message) for message in read_log(path).frames}
        if int(number) not in logs[path]:
            raise UsageError(f"{path} holds no frame {number}; it holds {len(logs[path])} frames")
        found.append((f"{Path(path).stem} {number}", logs[path][int(number)]))
    return found


def _tile(title: str, result: FrameResult, body: BodyModel) -> np.ndarray:
    views = [draw_meshes(result.bodies, body, (TILE_PX, TILE_PX), view=view) for view in ("front", "side")]
    picture = np.ascontiguousarray(np.hstack(views))
    picture[:, -2:], picture[-2:] = 255, 255
    cv2.putText(picture, title, (6, TILE_PX - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (70, 70, 70), 1, cv2.LINE_AA)
    return picture


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 when the sheet was written."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("frames", nargs="+", metavar="PATH.mcap:FRAME", help="which frames of which logs")
    parser.add_argument("--out", required=True, type=Path, help="picture to write")
    parser.add_argument("--body", help="the body model of the logs, where it is not the shipped one")
    args = parser.parse_args(argv)
    try:
        picture = draw_sheet(find_frames(args.frames), load_body(args.body))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(args.out), picture[..., ::-1]):
            raise OutputError(f"cannot write {args.out}; name a .png or .jpg in a folder you may write to")
    except BodystreamError as error:
        parser.exit(error.exit_code, f"error: {error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
