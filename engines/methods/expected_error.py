"""How wrong a body will be, by what is known of its kind: how it is posed and turned, and how sure each point was.

Bodies that lie or bend over are wrong more often than those that stand, and a wrist that was hard to see says something
else than a hidden hip. A ridge regression over rendered people whose truth is known
(``python -m engines.training quality``) weighs both: 144 numbers of the rotations, 41 confidences.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.body.rotations import rotation_matrices

SHIPPED = Path(__file__).parents[1] / "weights" / "quality-small.npz"
LEAST_M, MOST_M = 0.02, 0.5
"""What is answered for poses that nobody was seen in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedError:
    """The logarithm of the error in metres is linear in `traits`."""

    weight: np.ndarray
    """(185,) float32"""
    bias: float

    def __call__(self, pose: np.ndarray, confidences: np.ndarray) -> np.ndarray:
        """Rotation vectors (B, 24, 3), published confidences (B, 41) -> (B,) metres, PA-MPJPE of the 24 joints."""
        return self.of_traits(traits(pose, confidences)).clip(LEAST_M, MOST_M)

    def of_traits(self, known: np.ndarray) -> np.ndarray:
        """`traits` (B, 185) -> (B,) metres, without limits."""
        return np.exp(known @ self.weight + self.bias)

    def save(self, path: Path) -> None:
        """Write a kilobyte."""
        np.savez(path, weight=self.weight.astype(np.float32), bias=np.float32(self.bias))

    @classmethod
    def load(cls, path: Path) -> ExpectedError:
        """What `save` wrote."""
        with np.load(path) as stored:
            return cls(weight=stored["weight"], bias=float(stored["bias"]))


def traits(pose: np.ndarray, confidences: np.ndarray) -> np.ndarray:
    """What an error is expected by, (B, 185): the first two columns of each rotation, and the confidences."""
    columns = rotation_matrices(pose)[..., :2].reshape(len(pose), -1)
    return np.concatenate((columns, confidences), 1)


@functools.cache
def shipped_expectation() -> ExpectedError:
    """The one that was fitted to `bilayer` and the trunk that ship."""
    return ExpectedError.load(SHIPPED)
