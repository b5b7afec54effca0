"""Where a body stands: the translation that lays its 3D points on the image points, in closed form."""

from __future__ import annotations

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
    weights = np.where(np.isfinite(image).all(-1), weights, 0.0).astype(np.float64)
    image = np.where(np.isfinite(image), image, 0.0)
    found: np.ndarray = guess.astype(np.float64)
    spread = np.sqrt((points[..., :2] ** 2).sum(-1).mean(-1)) + 1e-3
    # Depth known to `trust` relative: its weight is that of all points at the body's own angular size.
    pull = trust * (spread / np.maximum(guess[:, 2], 0.1)) ** 2
    # Per point, the equations t_x - x t_z = x Z - X and t_y - y t_z = y Z - Y: what each adds to their normal equations
    # and the right side, which does not change from round to round.
    value = image * points[..., 2:] - points[..., :2]
    terms = np.ones((*image.shape[:2], 7))
    terms[..., 1:3], terms[..., 3] = image, (image * image).sum(-1)
    terms[..., 4:6], terms[..., 6] = value, (image * value).sum(-1)
    for _ in range(rounds):
        nearness = 1 / np.maximum(points[..., 2:] + found[:, None, 2:], 0.1)
        error = image - (points[..., :2] + found[:, None, :2]) * nearness
        certainty = (np.maximum(found[:, 2:], 0.1) / (0.1 * spread[:, None])) ** 2
        fit = weights * nearness[..., 0] ** 2 / (1 + (error * error).sum(-1) * certainty)
        total, sum_x, sum_y, square, right_x, right_y, right_z = (fit[:, None] @ terms)[:, 0].T
        total, trusted = total + 1e-9, pull * total + 1e-9
        right_x, right_y = right_x + 1e-9 * guess[:, 0], right_y + 1e-9 * guess[:, 1]
        # t_x and t_y follow from t_z, which is eliminated last.
        z = (trusted * guess[:, 2] - right_z + (sum_x * right_x + sum_y * right_y) / total) / (
            square + trusted - (sum_x * sum_x + sum_y * sum_y) / total
        )
        found = np.stack(((right_x + sum_x * z) / total, (right_y + sum_y * z) / total, z), -1)
        bad = ~np.isfinite(found).all(-1) | (found[:, 2] < 0.2) | (found[:, 2] > 5 * guess[:, 2])
        found[bad] = guess[bad]
    return found.astype(np.float32)
