"""Which frames of a comparison are shown: some spread over the clip, and those in which the methods differ most."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import cv2
import numpy as np

from engines.metrics import pa_mpjpe
from pipeline.compare_methods import MethodFrame
from pipeline.types import Frame

SPREAD = 6
QUARRELS = 3
APART_FRAMES = 10
"""Frames nearer to each other show one quarrel; the worst of them stands for all."""


class Gallery:
    """Keeps a few pictures of a clip whose length is not known, as JPEG."""

    def __init__(self) -> None:
        self._spread: list[tuple[str, np.ndarray]] = []
        self._every, self._seen = 1, 0
        self._quarrels: list[tuple[float, int, np.ndarray]] = []

    def add(self, frame: Frame, picture: np.ndarray) -> None:
        """A frame with bodies, for the spread: when there are too many, every second one goes."""
        if self._seen % self._every == 0:
            if len(self._spread) >= 2 * SPREAD:
                self._spread = self._spread[::2]
                self._every *= 2
            self._spread.append((f"frame {frame.index}, {frame.pts_s:.2f} s", _jpeg(picture)))
        self._seen += 1

    def wants_quarrel(self, index: int, apart_mm: float) -> bool:
        """Whether `add_quarrel` would keep it: the picture is worth drawing."""
        near = [kept for kept in self._quarrels if abs(kept[1] - index) < APART_FRAMES]
        if near:
            return apart_mm > max(kept[0] for kept in near)
        return apart_mm > (self._quarrels[-1][0] if len(self._quarrels) == QUARRELS else 0.0)

    def add_quarrel(self, index: int, apart_mm: float, picture: np.ndarray) -> None:
        """A frame in which the methods differ, in place of its neighbours and of the least quarrel."""
        kept = [one for one in self._quarrels if abs(one[1] - index) >= APART_FRAMES]
        kept.append((apart_mm, index, _jpeg(picture)))
        self._quarrels = sorted(kept, key=lambda one: -one[0])[:QUARRELS]

    def pictures(self) -> list[tuple[str, np.ndarray]]:
        """(caption, RGB), the spread in order and then the worst quarrel first."""
        chosen = np.unique(np.linspace(0, len(self._spread) - 1, min(SPREAD, len(self._spread))).round().astype(int))
        found = [self._spread[index] for index in chosen]
        for apart_mm, index, jpeg in self._quarrels:
            words = f"frame {index}: here the methods differ most, {apart_mm:.0f} mm between two on average"
            found.append((words, jpeg))
        return [(caption, np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))[..., ::-1]) for caption, jpeg in found]


def disagreement_mm(seen: Mapping[str, MethodFrame]) -> float:
    """Mean PA-MPJPE between two methods, of the person on whom they agree least; 0 with fewer than two methods."""
    worst = 0.0
    for bodies in zip(*(one.bodies for one in seen.values()), strict=True):
        joints = [tracked.estimate.joints for tracked in bodies]
        pairs = [float(pa_mpjpe(a, b)) for a, b in itertools.combinations(joints, 2)]
        worst = max(worst, 1000 * float(np.mean(pairs)) if pairs else 0.0)
    return worst


def _jpeg(picture: np.ndarray) -> np.ndarray:
    ok, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert ok
    return jpeg
