"""Sink that keeps a dozen pictures spread over the run, with what was found in them, and writes them as one PNG."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from engines.body import BodyModel
from pipeline.draw import draw_result
from pipeline.errors import OutputError
from pipeline.sinks.overlay import fit, resized
from pipeline.types import FrameResult

TILES = 12
TILE_PX = 480
"""Longest side of one picture on the sheet."""
_CAPTION = "{stream} #{index}  {pts:.1f} s"


class ContactSheet:
    """Evenly spread whatever the length of the run: when the sheet is full, every second picture goes and the spacing
    doubles. At the end between 12 and 24 pictures are left (of a long run); 12 of them are drawn."""

    name = "contact_sheet"

    def __init__(self, path: str | Path, body: BodyModel, *, tiles: int = TILES, tile_px: int = TILE_PX) -> None:
        """``path`` ends in .png; raises OutputError where its folder cannot be made."""
        if tiles < 1:
            raise ValueError(f"tiles is {tiles}, a sheet holds at least one picture")
        self.path = Path(path)
        self._body, self._tiles, self._tile_px = body, tiles, tile_px
        self._every, self._seen = 1, 0
        self._kept: list[tuple[FrameResult, np.ndarray]] = []
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot write the contact sheet {self.path}: {error.strerror}; choose a folder you may write to"
            ) from error

    def write(self, result: FrameResult) -> None:
        """Keep a small copy of the picture if it is due; drawing waits for `close`."""
        due = self._seen % self._every == 0
        self._seen += 1
        if not due:
            return
        if len(self._kept) >= 2 * self._tiles:
            self._kept = self._kept[::2]
            self._every *= 2
        scale = self._tile_px / max(result.frame.size)
        width, height = (max(1, round(side * scale)) for side in result.frame.size)
        small = resized(np.asarray(result.frame.image), (width, height))
        blank = np.broadcast_to(np.uint8(0), result.frame.image.shape)  # let go of the full picture
        self._kept.append((replace(result, frame=replace(result.frame, image=blank)), small))

    def close(self) -> None:
        """Draw and write the sheet; without pictures there is none. Raises OutputError."""
        if not self._kept:
            return
        chosen = np.unique(np.linspace(0, len(self._kept) - 1, min(self._tiles, len(self._kept))).round().astype(int))
        tiles = [self._tile(*self._kept[index]) for index in chosen]
        width, height = max(t.shape[1] for t in tiles), max(t.shape[0] for t in tiles)
        across = min(len(tiles), 4 if len(tiles) > 6 else 3)
        tiles = [fit(tile, (width, height)) for tile in tiles]
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % across)
        sheet = np.vstack([np.hstack(tiles[row : row + across]) for row in range(0, len(tiles), across)])
        ok, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        assert ok
        try:
            self.path.write_bytes(png.tobytes())
        except OSError as error:
            raise OutputError(f"cannot write the contact sheet {self.path}: {error.strerror}") from error

    def report(self) -> dict[str, object]:
        """Figures for the run's summary."""
        return {"path": str(self.path), "frames": [result.frame.index for result, _ in self._kept]}

    def _tile(self, result: FrameResult, picture: np.ndarray) -> np.ndarray:
        tile = draw_result(picture, result, self._body)
        frame = result.frame
        text = _CAPTION.format(stream=frame.stream, index=frame.index, pts=frame.pts_s)
        at = (6, tile.shape[0] - 8)
        cv2.putText(tile, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(tile, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
        return tile
