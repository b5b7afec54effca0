"""Energies as a fit needs them: value, gradient and a positive approximation of the Hessian, batched.

Robust terms use Geman and McClure's rho(e) = t^2 e^2 / (t^2 + e^2): e^2 near zero, t^2 far away. Their gradient is
exact; in the Hessian the factor t^4 / (t^2 + e^2)^2 stands before J^T J (iteratively reweighted least squares), which
stays positive where the true second derivative does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """Of B figures at their present parameters, float64."""

    value: np.ndarray
    """(B,)"""
    gradient: np.ndarray
    """(B, n) of half the value."""
    hessian: np.ndarray
    """(B, n, n) of half the value."""

    def __iadd__(self, other: Energy) -> Self:
        """A further term, over as many parameters or over the first of them."""
        size = other.gradient.shape[1]
        self.value[:] += other.value
        self.gradient[:, :size] += other.gradient
        self.hessian[:, :size, :size] += other.hessian
        return self

    def rows(self, index: np.ndarray) -> Energy:
        """Of some of the figures."""
        return Energy(value=self.value[index], gradient=self.gradient[index], hessian=self.hessian[index])

    def where(self, keep: np.ndarray, other: Energy) -> Energy:
        """Rows of this where ``keep`` (B,), of the other elsewhere."""
        return Energy(
            value=np.where(keep, self.value, other.value),
            gradient=np.where(keep[:, None], self.gradient, other.gradient),
            hessian=np.where(keep[:, None, None], self.hessian, other.hessian),
        )

    def scaled(self, weight: float) -> Energy:
        """The energy times a weight."""
        return Energy(value=weight * self.value, gradient=weight * self.gradient, hessian=weight * self.hessian)


def squares(rows: np.ndarray, by_step: np.ndarray, value: np.ndarray | None = None) -> Energy:
    """Sum of squared rows (B, M) with derivatives (B, M, n); ``value`` (B,) where it is another, see `robust`."""
    turned = by_step.swapaxes(1, 2)
    value = np.einsum("bm,bm->b", rows, rows) if value is None else value
    return Energy(value=value, gradient=(turned @ rows[..., None])[..., 0], hessian=turned @ by_step)


def robust(square: np.ndarray, weight: np.ndarray, reach: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors and weights (B, ...) -> the sum (B,) of weight times rho, and by what (B, ...) an error and its
    derivatives are to be multiplied for `squares`."""
    far = np.square(reach)
    share = far / (far + square)
    return (weight * share * square).reshape(len(square), -1).sum(1), np.sqrt(weight) * share


def robust_squares(errors: np.ndarray, by_step: np.ndarray, weight: np.ndarray, reach: float) -> Energy:
    """Sum of weight (B, P) times rho of errors (B, P, D), which level off at ``reach``; derivatives (B, P, D, n)."""
    count, points, axes, size = by_step.shape
    value, root = robust((errors**2).sum(-1), weight, reach)
    rows = (root[..., None] * errors).reshape(count, -1)
    return squares(rows, (root[..., None, None] * by_step).reshape(count, points * axes, size), value)
