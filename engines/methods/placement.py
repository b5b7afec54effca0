"""Where a body stands: the translation that lays its 3D points on the image points, in closed form."""

from __future__ import annotations

import math

import numpy as np


def place_body(
    points: np.ndarray,
    image: np.ndarray,
    weights: np.ndarray,
    guess: np.ndarray,
    *,
    rounds: int = 3,
    trust: float = 0.15,
) -> np.ndarray:
    """Translations (B, 3) float32, metres, of bodies seen by a camera with focal length one.

    points (B, P, 3) metres relative to the pelvis, in camera axes; image (B, P, 2) on the plane at distance one;
    weights (B, P) >= 0; guess (B, 3) the network's own translation.

    x (Z + t_z) = X + t_x is linear in t. Each round divides by the depth found so far, which makes the residual the
    reprojection error, and lowers the weight of points that do not fit (Cauchy). The logarithm of the guess's depth
    enters as one more equation of weight `trust` relative to all points together, so that two visible points or a
    point cloud without extent still have an answer. Where numbers fail, the guess is returned.
    """
    points, image = points.astype(np.float64), image.astype(np.float64)
    known = np.isfinite(image).all(-1)
    weights, image = np.where(known, weights, 0.0), np.where(known[..., None], image, 0.0)
    flat, depth = points[..., :2], points[..., 2]
    spread = np.sqrt((flat * flat).sum(-1).mean(-1)) + 1e-3
    # Per point, the equations t_x - x t_z = x Z - X and t_y - y t_z = y Z - Y: what each adds to their normal equations
    # and the right side, which does not change from round to round.
    value = image * points[..., 2:] - flat
    terms = np.ones((*known.shape, 7))
    terms[..., 1:3], terms[..., 3] = image, (image * image).sum(-1)
    terms[..., 4:6], terms[..., 6] = value, (image * value).sum(-1)
    guesses = guess.tolist()
    # Depth known to `trust` relative: its weight is that of all points at the body's own angular size.
    pulls = [trust * (size / max(z, 0.1)) ** 2 for size, (_, _, z) in zip(spread.tolist(), guesses, strict=True)]
    found: np.ndarray = guess.astype(np.float64)
    for _ in range(rounds):
        far = np.maximum(depth + found[:, 2:], 0.1)
        error = image - (flat + found[:, None, :2]) / far[..., None]
        certainty = (np.maximum(found[:, 2], 0.1) / (0.1 * spread)) ** 2
        fit = weights / (far * far * (1 + (error * error).sum(-1) * certainty[:, None]))
        sums = (fit[:, None] @ terms)[:, 0].tolist()
        found = np.array([_solved(*case) for case in zip(sums, pulls, guesses, strict=True)]).reshape(-1, 3)
    return found.astype(np.float32)


def _solved(sums: list[float], pull: float, guess: list[float]) -> list[float]:
    """The translation of one body; in plain floats, which for one body are faster than arrays."""
    total, sum_x, sum_y, square, right_x, right_y, right_z = sums
    total, trusted = total + 1e-9, pull * total + 1e-9
    right_x, right_y = right_x + 1e-9 * guess[0], right_y + 1e-9 * guess[1]
    # t_x and t_y follow from t_z, which is eliminated last.
    z = (trusted * guess[2] - right_z + (sum_x * right_x + sum_y * right_y) / total) / (
        square + trusted - (sum_x * sum_x + sum_y * sum_y) / total
    )
    found = [(right_x + sum_x * z) / total, (right_y + sum_y * z) / total, z]
    return found if all(map(math.isfinite, found)) and 0.2 <= z <= 5 * guess[2] else guess
