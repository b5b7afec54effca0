"""Sparse matrices whose rows have few entries: sub- and supersampling of a mesh, landmarks on its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Each output row is a weighted sum of a fixed number K of input rows (padded with weight 0)."""

    index: np.ndarray
    """(N, K) int32: which input rows."""
    weight: np.ndarray
    """(N, K) float32."""

    def __matmul__(self, x: np.ndarray) -> np.ndarray:
        """Apply to the second to last axis: (..., V, C) -> (..., N, C)."""
        if self.index.shape[1] == 1:
            return x[..., self.index[:, 0], :] * self.weight
        return (x[..., self.index, :] * self.weight[..., None]).sum(axis=-2)

    def dense(self, columns: int) -> np.ndarray:
        """The same matrix as (N, columns) float32."""
        out = np.zeros((len(self.index), columns), np.float32)
        np.add.at(out, (np.arange(len(self.index))[:, None], self.index), self.weight)
        return out
