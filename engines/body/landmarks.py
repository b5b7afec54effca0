"""COCO's surface landmarks as sparse, local, non-negative weights over level-0 vertices (bake only)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from engines.body.rows import SparseRows
from engines.keypoints import COCO_NAMES

_NEAREST = 3
_SUM_WEIGHT = 10.0


def fit_landmarks(
    targets: np.ndarray, vertices: np.ndarray, rest: np.ndarray, sources: list[np.ndarray], mirror: np.ndarray
) -> SparseRows:
    """Weights (17 rows) such that vertices (N, V, 3) give targets (N, 17, 3) over N shapes and poses.

    rest (V, 3): a body in its bind pose; sources[k] (S_k, 3): the points on it that define landmark k. Only level-0
    vertices next to them take part, so a landmark moves with the skin it is made of. The right side is the mirror image
    of the left; mirror (V,).
    """
    tree = cKDTree(rest)
    found: dict[str, dict[int, float]] = {}
    for k, name in enumerate(COCO_NAMES):
        if name.startswith("right"):
            continue
        near = np.unique(tree.query(sources[k], k=_NEAREST)[1])
        if not name.startswith("left"):
            near = np.unique(np.concatenate([near, mirror[near]]))
        offsets = (vertices[:, near] - targets[:, k, None]).transpose(0, 2, 1).reshape(-1, len(near))
        # One heavy row asks for a sum of 1; what is left of it is removed by the division.
        matrix = np.concatenate([offsets, np.full((1, len(near)), _SUM_WEIGHT * len(targets) ** 0.5)])
        target = np.append(np.zeros(len(offsets)), matrix[-1, 0])
        # The triangular factor has the same least-squares solution and a thousandth of the rows.
        q, r = np.linalg.qr(matrix)
        weight, _ = nnls(r, q.T @ target)
        entries = {int(v): float(w) for v, w in zip(near, weight / weight.sum(), strict=True) if w > 1e-4}
        if not name.startswith("left"):
            both = set(entries) | {int(mirror[v]) for v in entries}
            entries = {v: (entries.get(v, 0) + entries.get(int(mirror[v]), 0)) / 2 for v in both}
        found[name] = entries
    for name in COCO_NAMES:
        if name.startswith("right"):
            found[name] = {int(mirror[v]): w for v, w in found[name.replace("right", "left")].items()}
    width = max(map(len, found.values()))
    index, weight = np.zeros((len(COCO_NAMES), width), np.int32), np.zeros((len(COCO_NAMES), width), np.float32)
    for row, name in enumerate(COCO_NAMES):
        count = len(found[name])
        index[row, :count] = list(found[name])
        weight[row, :count] = list(found[name].values())
        weight[row] /= weight[row].sum()
    return SparseRows(index, weight)
