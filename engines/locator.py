"""Find people in a whole picture with the locator network. numpy only; the network runs in an `Engine`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import cv2
import numpy as np

from engines.boxes import suppress
from engines.locator_search import SIZES, search
from kernels.crop_normalize import halved, halvings_to
from kernels.launch.crop_pictures import AnyPicture

STRIDE = 8
MIN_SCORE = 0.1
"""From here on a box is worth a look: what follows decides."""


class Engine(Protocol):
    """What the locator needs of a runtime."""

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...


def letterbox(image: np.ndarray, size_px: int, share: float = 1.0) -> tuple[np.ndarray, float]:
    """(H, W, 3) uint8 -> (S, S, 3) uint8, top left on black, and input pixels per picture pixel.

    ``share``: the picture's longer side over that of the square, at most 1.
    """
    height, width = image.shape[:2]
    scale = share * size_px / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.zeros((size_px, size_px, 3), np.uint8)
    shrunk = halved(image, halvings_to(round(share * size_px), max(height, width)))
    cv2.resize(shrunk, (columns, rows), dst=canvas[:rows, :columns], interpolation=cv2.INTER_LINEAR)
    return canvas, scale


def decode(scores: np.ndarray, sides: np.ndarray, min_score: float, max_iou: float, limit: int = 64) -> np.ndarray:
    """Score logits (h, w) and side distances (4, h, w) -> (N, 5) x0 y0 x1 y1 score in network pixels, best first."""
    rows, columns = np.nonzero(scores >= cv2.dilate(scores, np.ones((3, 3), np.uint8)))
    score = 1 / (1 + np.exp(-scores[rows, columns]))
    rows, columns, score = (values[score >= min_score] for values in (rows, columns, score))
    order = np.argsort(-score)[:limit]
    rows, columns, score = rows[order], columns[order], score[order]
    x, y = (columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE
    left, top, right, bottom = sides[:, rows, columns]
    boxes = np.stack([x - left, y - top, x + right, y + bottom, score], 1).astype(np.float32)
    return boxes[suppress(boxes, max_iou)]


def people_of(
    outputs: Mapping[str, np.ndarray], min_score: float, max_iou: float, scale: float, size: tuple[int, int]
) -> np.ndarray:
    """The network's outputs for one picture of ``size`` (width, height), seen at ``scale`` input pixels per picture
    pixel -> boxes (N, 5) as `Locator.detect` gives them."""
    boxes = decode(outputs["scores"][0, 0], outputs["sides"][0], min_score, max_iou)
    boxes[:, :4] = (boxes[:, :4] / scale).clip(0, (*size, *size))
    return boxes


class Locator:
    """People in a picture. ``input_px`` is the side the network was exported with."""

    def __init__(self, engine: Engine, input_px: int, *, min_score: float = MIN_SCORE, max_iou: float = 0.55) -> None:
        self._engine = engine
        self._input_px = input_px
        self.min_score = min_score
        self.max_iou = max_iou

    def detect(self, image: AnyPicture) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 5) float32: x0 y0 x1 y1 in pixels and score 0..1, best first, clipped."""
        return self._look(np.asarray(image), 1.0)

    def search(self, image: AnyPicture) -> np.ndarray:
        """The same with a dozen looks, for a picture that stands alone: see `engines.locator_search`."""
        picture = np.asarray(image)
        # The looks mirror, cut and turn it: not at twelve million pixels.
        times = halvings_to(round(max(SIZES) * self._input_px), max(picture.shape[:2]))
        boxes = search(self._look, halved(picture, times), self.max_iou)
        boxes[:, :4] = (boxes[:, :4] * 2**times).clip(0, np.tile(picture.shape[1::-1], 2))
        return boxes

    def _look(self, image: np.ndarray, share: float) -> np.ndarray:
        canvas, scale = letterbox(image, self._input_px, share)
        outputs = self._engine({"picture": canvas[None]})
        return people_of(outputs, self.min_score, self.max_iou, scale, (image.shape[1], image.shape[0]))
