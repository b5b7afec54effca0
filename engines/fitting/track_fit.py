"""A whole track at once: every frame agrees with its points, the motion between them is smooth, the shape is one.

The energy is that of the last stage of a fit, summed over the frames, plus

    sum_t |a_t / s|^2,   a_t the angular acceleration of every joint, and the acceleration of the pelvis
    sum_t |log(R0_t^T R_t) / stay|^2, so that what the points leave open (depth) stays as the method found it

Accelerations couple three successive frames, which makes the Gauss-Newton matrix a band of blocks: a banded Cholesky
solve is linear in the length of the track. Frames need not be evenly spaced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solveh_banded

from engines.fitting.attached_points import NUM_TURNS, PLACE, SHAPE, Figures, way
from engines.fitting.consistency import network_spread
from engines.fitting.image_evidence import MIN_DEPTH_M, ImageEvidence
from engines.fitting.objective import Objective, Weights

MIN_FRAMES = 3
"""Shorter tracks have no acceleration."""
WINDOW, OVERLAP = 400, 40
"""Longer tracks are solved in windows of so many frames; half of the overlap on either side is thrown away."""
BAND = 2 * PLACE.stop


FRAME_WEIGHTS = Weights(shape=0.2)
"""Of the frames' own energies; the shape's counts in every frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothness:
    """Standard deviations of what people do, and how long to look for the minimum."""

    turn_rad_s2: float = 15.0
    place_m_s2: float = 3.0
    weights: Weights = FRAME_WEIGHTS
    stay: float = 1.0
    """Times the spread of a network's errors may a frame move away from where it was."""
    rounds: int = 12


def refine_track(
    objective: Objective,
    start: Figures,
    evidence: ImageEvidence,
    seconds: np.ndarray,
    smoothness: Smoothness | None = None,
) -> Figures:
    """T frames of one person (start and evidence with T rows), at increasing times (T,) -> the refined frames.

    The shape is the same in all of them. Raises ValueError where times do not increase.
    """
    smoothness = smoothness or Smoothness()
    seconds = np.asarray(seconds, np.float64)
    if (np.diff(seconds) <= 0).any():
        raise ValueError("times do not increase from frame to frame; refine one track of one stream at a time")
    count = len(seconds)
    sure = np.maximum(evidence.weight.sum(1), 1e-6)
    betas = np.repeat(np.average(start.betas, axis=0, weights=sure)[None], count, 0)
    start = replace(start, betas=betas)
    if count < MIN_FRAMES:
        return start
    parts, first = [], 0
    while True:
        last = min(first + WINDOW, count)
        rows = np.arange(first, last)
        found = _refine(objective, start.rows(rows), evidence.rows(rows), seconds[rows], smoothness)
        low = OVERLAP // 2 if first else 0
        high = len(rows) if last == count else len(rows) - OVERLAP // 2
        parts.append(found.rows(np.arange(low, high)))
        if last == count:
            break
        first = last - OVERLAP
    whole = Figures.joined(parts)
    return replace(whole, betas=np.repeat(whole.betas.mean(0)[None], count, 0))


def _refine(
    objective: Objective, start: Figures, evidence: ImageEvidence, seconds: np.ndarray, smoothness: Smoothness
) -> Figures:
    count = len(seconds)
    distance = np.maximum(start.translation[:, 2], MIN_DEPTH_M)
    differences = second_differences(seconds)
    scale = np.r_[np.full(NUM_TURNS, 1 / smoothness.turn_rad_s2), np.full(3, 1 / smoothness.place_m_s2)] ** 2
    stay = 1 / (smoothness.stay * network_spread(distance)) ** 2
    coupling = differences.T @ differences

    def measure(figures: Figures) -> tuple[float, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        own = objective(figures, evidence, distance, smoothness.weights)
        bend = accelerations(figures, seconds)
        away = way(start, figures)
        value = own.value.sum() + (bend**2 * scale).sum() + (away**2 * stay).sum()
        gradient = own.gradient[:, : PLACE.stop] + differences.T @ (bend * scale) + away * stay
        blocks = own.hessian[:, : PLACE.stop, : PLACE.stop].copy()
        diagonal = np.arange(PLACE.stop)
        blocks[:, diagonal, diagonal] += stay
        return float(value), gradient, blocks, own.gradient[:, SHAPE].sum(0), own.hessian[:, SHAPE, SHAPE].sum(0)

    figures, damping = start, 1e-3
    value, gradient, blocks, shape_gradient, shape_hessian = measure(figures)
    for _ in range(smoothness.rounds):
        step = np.zeros((count, SHAPE.start + len(shape_gradient)))
        step[:, : PLACE.stop] = -_solve(blocks, coupling, scale, damping, gradient)
        step[:, SHAPE] = -np.linalg.solve(shape_hessian * (1 + damping) + np.eye(len(shape_gradient)), shape_gradient)
        trial = figures.moved(step)
        measured = measure(trial)
        if measured[0] < value:
            gain = value - measured[0]
            figures, damping = trial, max(damping / 5, 1e-6)
            value, gradient, blocks, shape_gradient, shape_hessian = measured
            if gain < 1e-4 * value:
                break
        else:
            damping *= 10
    return figures


def second_differences(seconds: np.ndarray) -> np.ndarray:
    """(T - 2, T) matrix: values at these times -> their accelerations."""
    count, gaps = len(seconds), np.diff(seconds)
    out = np.zeros((count - 2, count))
    rows = np.arange(count - 2)
    middle = (gaps[1:] + gaps[:-1]) / 2
    out[rows, rows] = 1 / (gaps[:-1] * middle)
    out[rows, rows + 2] = 1 / (gaps[1:] * middle)
    out[rows, rows + 1] = -out[rows, rows] - out[rows, rows + 2]
    return out


def accelerations(figures: Figures, seconds: np.ndarray) -> np.ndarray:
    """(T - 2, 63): change of the angular velocities of the free joints, rad / s^2, and of the pelvis's, m / s^2."""
    gaps = np.diff(seconds)[:, None]
    velocity = way(figures.rows(np.arange(len(seconds) - 1)), figures.rows(np.arange(1, len(seconds)))) / gaps
    return np.diff(velocity, axis=0) / ((gaps[1:] + gaps[:-1]) / 2)


def _solve(
    blocks: np.ndarray, coupling: np.ndarray, scale: np.ndarray, damping: float, gradient: np.ndarray
) -> np.ndarray:
    """Solve (block diagonal + coupling (x) scale) step = gradient; all (T, n)."""
    count, size = gradient.shape
    band = np.zeros((BAND + 1, count, size))
    # Lower band: entry [k, column] is the matrix at (column + k, column).
    for k in range(size):
        inside = np.arange(size - k)
        band[k][:, inside] = blocks[:, inside + k, inside]
    band[0] += damping * np.diagonal(blocks, axis1=1, axis2=2)
    for apart in range(3):
        frames = np.arange(count - apart)
        band[apart * size][: count - apart] += coupling[frames + apart, frames][:, None] * scale
    out: np.ndarray = solveh_banded(band.reshape(BAND + 1, -1), gradient.reshape(-1), lower=True)
    return out.reshape(count, size)
