"""Gauss-Newton from a start that is nearly right and has a spread: the spread damps the steps, no search is needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg.lapack import dposv

from engines.fitting.attached_points import NUM_TURNS, Figures
from engines.fitting.energy import Energy
from engines.fitting.image_evidence import MIN_DEPTH_M


def approach(
    evaluate: Callable[[Figures], Energy],
    start: Figures,
    precision: np.ndarray,
    *,
    steps: int,
    max_turn_rad: float,
    goal: np.ndarray | float = 0.0,
) -> tuple[Figures, np.ndarray]:
    """Figures of less energy + sum of precision (B, n) times (way from the start - goal (B, n))^2, and which (B,) of
    them have sound numbers and stand before the camera. No joint turns further than ``max_turn_rad`` in one step.
    """
    found, way = start, np.zeros_like(precision)
    for _ in range(steps):
        energy = evaluate(found)
        energy.hessian.reshape(len(way), -1)[:, :: way.shape[1] + 1] += precision
        slope = energy.gradient + precision * (way - goal)
        step = _solved(energy.hessian, slope)
        turns = step[:, :NUM_TURNS]
        np.minimum(np.maximum(turns, -max_turn_rad, out=turns), max_turn_rad, out=turns)
        way -= step
        found = start.moved(way)
    return found, np.isfinite(way).all(1) & (found.translation[:, 2] > MIN_DEPTH_M)


def _solved(matrices: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Positive definite (B, n, n), used up, and (B, n) -> (B, n); NaN where they are not positive definite."""
    out = np.empty_like(right)
    for row, (matrix, values) in enumerate(zip(matrices, right, strict=True)):
        # The transpose of a symmetric matrix is itself, in the order that LAPACK wants.
        _, solution, failed = dposv(matrix.T, values, overwrite_a=True)
        out[row] = np.nan if failed else solution
    return out
