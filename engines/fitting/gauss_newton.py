"""Gauss-Newton from a start that is nearly right and has a spread: the spread damps the steps, no search is needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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
        np.einsum("bii->bi", energy.hessian)[:] += precision
        slope = energy.gradient + precision * (way - goal)
        step = -np.linalg.solve(energy.hessian, slope[..., None])[..., 0]
        step[:, :NUM_TURNS] = step[:, :NUM_TURNS].clip(-max_turn_rad, max_turn_rad)
        way += step
        found = start.moved(way)
    return found, np.isfinite(way).all(1) & (found.translation[:, 2] > MIN_DEPTH_M)
