"""How people hold themselves: a mixture of Gaussians over rotation vectors, after Keep it SMPL (ECCV 2016), Eq. 6.

The sum over components inside the paper's logarithm is replaced by its largest term (Eq. 7, after Olson and Agarwal):

    E(q) = min_j ( -log(c g_j) + |L_j^T (q - m_j)|^2 ),   L_j L_j^T half the precision of component j

which is a sum of squares: of the whitened difference, and of a constant. c makes that constant vanish for the lightest
component. The 19 joints that a fit turns besides the pelvis are covered; fingers and toes have no say.
Fitted by ``python -m engines.training.fit_pose_prior``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engines.body.rotations import rotation_vectors
from engines.fitting.attached_points import FREE_JOINTS, NUM_TURNS, Figures
from engines.fitting.energy import Energy
from engines.fitting.tangent import inverse_right_jacobian

SHIPPED = Path(__file__).with_name("pose_prior.npz")
PRIOR_JOINTS = FREE_JOINTS[1:]
"""All free joints but the pelvis: it turns the body as a whole."""
DIMENSIONS = 3 * len(PRIOR_JOINTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PosePrior:
    """K Gaussians, float64."""

    means: np.ndarray
    """(K, 57) rotation vectors of `PRIOR_JOINTS`."""
    roots: np.ndarray
    """(K, 57, 57): L, lower triangular roots of half the precisions."""
    offsets: np.ndarray
    """(K,) -log(c g_j) >= 0, g_j the weight over the root of the covariance's determinant."""
    halves: np.ndarray = field(init=False, repr=False)
    """(K, 57, 57): L L^T, half the precisions."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "halves", self.roots @ self.roots.swapaxes(1, 2))

    @classmethod
    def of(cls, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> PosePrior:
        """From weights (K,), means (K, 57), covariances (K, 57, 57)."""
        roots = np.linalg.cholesky(0.5 * np.linalg.inv(covariances))
        height = np.log(weights) + np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        return cls(means=means, roots=roots, offsets=height.max() - height)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> PosePrior:
        """The shipped mixture, or one fitted elsewhere."""
        with np.load(path, allow_pickle=False) as data:
            covariances = np.zeros((len(data["weights"]), DIMENSIONS, DIMENSIONS))
            rows, columns = np.tril_indices(DIMENSIONS)
            covariances[:, rows, columns] = covariances[:, columns, rows] = data["covariances"]
            return cls.of(data["weights"].astype(np.float64), data["means"].astype(np.float64), covariances)

    def residuals(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotation vectors (B, 24, 3) -> residuals (B, 58) whose squares sum to E, and derivatives (B, 58, 60) by the
        turns of `FREE_JOINTS`."""
        held = vectors.take(PRIOR_JOINTS, 1)
        q = held.reshape(len(vectors), DIMENSIONS)
        white = (q - self.means[:, None]) @ self.roots
        best = (self.offsets + np.einsum("kbi,kbi->bk", white, white)).argmin(1)
        out = np.concatenate([white[best, np.arange(len(q))], np.sqrt(self.offsets[best])[:, None]], 1)
        by_turn = np.zeros((len(q), DIMENSIONS + 1, NUM_TURNS))
        lower = self.roots[best].reshape(-1, len(PRIOR_JOINTS), 3, DIMENSIONS)
        moved = inverse_right_jacobian(held).swapaxes(2, 3) @ lower
        by_turn[:, :-1, 3:] = moved.reshape(len(q), DIMENSIONS, DIMENSIONS).swapaxes(1, 2)
        return out, by_turn

    def energy(self, vectors: np.ndarray) -> Energy:
        """E of rotation vectors (B, 24, 3) by the turns of `FREE_JOINTS`: what `squares` makes of `residuals`."""
        held = vectors.take(PRIOR_JOINTS, 1)
        count, joints = held.shape[:2]
        away = held.reshape(count, DIMENSIONS) - self.means[:, None]
        slope = away @ self.halves
        values = self.offsets + np.einsum("kbi,kbi->bk", away, slope)
        best, row = values.argmin(1), np.arange(count)
        by_vector = inverse_right_jacobian(held).swapaxes(2, 3)
        gradient, hessian = np.zeros((count, NUM_TURNS)), np.zeros((count, NUM_TURNS, NUM_TURNS))
        gradient[:, 3:] = (by_vector @ slope[best, row].reshape(count, joints, 3, 1)).reshape(count, -1)
        # By vectors the second derivative is constant; it turns with the Jacobian on either side, block by block.
        half = by_vector @ self.halves[best].reshape(count, joints, 3, DIMENSIONS)
        half = half.reshape(count, DIMENSIONS, DIMENSIONS).swapaxes(1, 2).reshape(count, joints, 3, DIMENSIONS)
        hessian[:, 3:, 3:] = (by_vector @ half).reshape(count, DIMENSIONS, DIMENSIONS)
        return Energy(value=values[row, best], gradient=gradient, hessian=hessian)


def vectors_of(figures: Figures) -> np.ndarray:
    """(B, 24, 3) rotation vectors, float64, of the figures' local rotations."""
    return rotation_vectors(figures.rotations)
