"""Nested mesh levels and the matrices between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.body.decimate import closest_on_triangles, decimate
from engines.body.rows import SparseRows

LEVELS = ((7000, 0.003), (1750, 0.005), (440, 0.010))
"""Vertices at most, and how far a removed vertex may lie from the surface that is left, metres."""
UP_WIDTH = 8
"""Coarse vertices that a fine one is made from."""
UP_RIDGE_M = 0.006
"""Pull of up-sampling weights towards barycentric ones, metres: keeps them from amplifying noise."""


@dataclass(frozen=True, slots=True)
class Levels:
    index: tuple[np.ndarray, ...]
    """Per level (V_k,): vertices of the original mesh."""
    faces: tuple[np.ndarray, ...]
    bound: tuple[np.ndarray, ...]
    """Per step: for each vertex of the finer mesh the triangle of the coarser one that is near along the surface."""


def build_levels(
    vertices: np.ndarray,
    faces: np.ndarray,
    weights: np.ndarray,
    mirror: np.ndarray,
    targets: tuple[tuple[int, float], ...] = LEVELS,
) -> Levels:
    """Mean body (V, 3), faces, skinning weights (V, 24), mirror image of each vertex -> levels, as in `LEVELS`."""
    index, all_faces, bound = [np.arange(len(vertices))], [faces], []
    for count, limit_m in targets:
        here = index[-1]
        number = np.full(len(vertices), -1)
        number[here] = np.arange(len(here))
        level = decimate(vertices[here], all_faces[-1], weights[here], number[mirror[here]], count, limit_m)
        index.append(here[level.kept])
        all_faces.append(level.faces)
        bound.append(level.bound_face)
    # The original mesh itself is no level.
    return Levels(tuple(index[1:]), tuple(all_faces[1:]), tuple(bound))


def selection(fine: np.ndarray, coarse: np.ndarray) -> SparseRows:
    """Down-sampling between nested levels, both given as vertices of the original mesh, ascending."""
    at = np.searchsorted(fine, coarse)
    return SparseRows(at.astype(np.int32)[:, None], np.ones((len(coarse), 1), np.float32))


def fit_upsampling(fine: np.ndarray, coarse: np.ndarray, faces: np.ndarray, bound: np.ndarray) -> SparseRows:
    """Up-sampling weights that fit examples: fine (N, V, 3), coarse (N, U, 3), the first being the mean body.

    Each fine vertex is an affine combination (weights sum to 1) of the `UP_WIDTH` coarse vertices that are nearest
    among the corners of its triangle and their neighbours: least squares over all examples, pulled towards the
    barycentric weights of the closest point of its triangle, which alone would flatten every curved region.
    """
    ring: list[set[int]] = [set() for _ in range(coarse.shape[1])]
    for a, b, c in faces.tolist():
        for corner in (a, b, c):
            ring[corner] |= {a, b, c}
    corners = faces[bound]
    start, _ = closest_on_triangles(fine[0][:, None], coarse[0][corners][:, None])
    index = np.empty((len(bound), UP_WIDTH), np.int32)
    prior = np.zeros((len(bound), UP_WIDTH))
    for vertex, triangle in enumerate(corners.tolist()):
        around = np.array(sorted(set().union(*(ring[corner] for corner in triangle)) - set(triangle)))
        order = np.argsort(np.linalg.norm(coarse[0][around] - fine[0][vertex], axis=1), kind="stable")
        chosen = [*triangle, *around[order][: UP_WIDTH - 3].tolist()]
        index[vertex] = chosen + [triangle[0]] * (UP_WIDTH - len(chosen))
        prior[vertex, :3] = start[vertex, 0]
    examples = len(fine)
    # Relative to the fine vertex, a fit of zero with sum 1: minimise |A w|^2 + ridge |w - prior|^2.
    gram = np.zeros((len(bound), UP_WIDTH, UP_WIDTH))
    for posed_fine, posed_coarse in zip(fine, coarse, strict=True):
        offset = posed_coarse[index] - posed_fine[:, None]
        gram += offset @ offset.transpose(0, 2, 1)
    gram = gram / examples + UP_RIDGE_M**2 * np.eye(UP_WIDTH)
    ones = np.ones((len(bound), UP_WIDTH, 1))
    free = np.linalg.solve(gram, UP_RIDGE_M**2 * prior[..., None])
    toward = np.linalg.solve(gram, ones)
    weight = free + toward * (1 - free.sum(1, keepdims=True)) / toward.sum(1, keepdims=True)
    exact = prior.max(1) > 1 - 1e-9  # a vertex that both levels have
    return SparseRows(index, np.where(exact[:, None], prior, weight[..., 0]).astype(np.float32))
