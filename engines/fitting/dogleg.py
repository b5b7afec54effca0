"""Powell's dogleg for many small problems at once, each with a trust region of its own.

Within the region's radius the step goes along the steepest descent to its minimum (Cauchy's point), then towards the
Gauss-Newton step. Powell, "A new algorithm for unconstrained optimization" (1970); Nocedal and Wright, "Numerical
Optimization", Section 4.1 and Algorithm 4.1 for the radius.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engines.fitting.attached_points import Figures
from engines.fitting.energy import Energy

Evaluate = Callable[[Figures, np.ndarray], Energy]
"""Energy of some figures, which are these rows of the problem."""
START_RADIUS, MAX_RADIUS, MIN_RADIUS = 1.0, 4.0, 1e-4
"""Radians and metres alike."""


def minimise(
    evaluate: Evaluate,
    start: Figures,
    *,
    rounds: int,
    free: np.ndarray | None = None,
    tolerance: float = 1e-3,
) -> tuple[Figures, np.ndarray]:
    """Figures of less energy, and their energies (B,).

    ``free``: indices of the parameters that may change (all of them). A row ends after so many rounds, or when the
    gain that the model promises falls below ``tolerance`` of its energy. Energies never rise.
    """
    figures = start
    active = np.arange(len(start.betas))
    energy = evaluate(start, active)
    size = energy.gradient.shape[1]
    free = np.arange(size) if free is None else free
    final = energy.value.copy()
    radius = np.full(len(active), START_RADIUS)
    for _ in range(rounds):
        gradient, hessian = energy.gradient[:, free], energy.hessian[:, free[:, None], free]
        part = dogleg_step(gradient, hessian, radius)
        promised = -2 * (gradient * part).sum(1) - np.einsum("bi,bij,bj->b", part, hessian, part)
        going = (promised > tolerance * energy.value) & (radius > MIN_RADIUS)
        if not going.any():
            break
        if not going.all():
            active, energy, radius = active[going], energy.rows(going), radius[going]
            part, promised = part[going], promised[going]
        step = np.zeros((len(active), size))
        step[:, free] = part
        before = figures.rows(active)
        trial = before.moved(step)
        after = evaluate(trial, active)
        ratio = (energy.value - after.value) / np.maximum(promised, 1e-12)
        length = np.linalg.norm(part, axis=1)
        better = ratio > 1e-4
        radius = np.where(ratio < 0.25, 0.25 * length, radius)
        radius = np.where((ratio > 0.75) & (length > 0.9 * radius), np.minimum(2 * radius, MAX_RADIUS), radius)
        figures = figures.put(active, trial.where(better, before))
        energy = after.where(better, energy)
        final[active] = energy.value
    return figures, final


def dogleg_step(gradient: np.ndarray, hessian: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Steps (B, n) no longer than radius (B,) for gradients (B, n) and positive Hessians (B, n, n)."""
    size = gradient.shape[1]
    # Parameters that nothing depends on must not move.
    scale = np.trace(hessian, axis1=1, axis2=2) / size + 1e-12
    newton = -np.linalg.solve(hessian + 1e-9 * scale[:, None, None] * np.eye(size), gradient[..., None])[..., 0]
    square = (gradient**2).sum(1)
    curvature = np.einsum("bi,bij,bj->b", gradient, hessian, gradient)
    cauchy = -(square / np.maximum(curvature, 1e-30))[:, None] * gradient
    cauchy_length = np.linalg.norm(cauchy, axis=1)
    # Where on the way from Cauchy's point to the Gauss-Newton step the region ends.
    way = newton - cauchy
    a = (way**2).sum(1)
    b = (cauchy * way).sum(1)
    c = cauchy_length**2 - radius**2
    share = (-b + np.sqrt(np.maximum(b**2 - a * c, 0))) / np.maximum(a, 1e-30)
    short = cauchy * (radius / np.maximum(cauchy_length, 1e-30))[:, None]
    out = np.where((cauchy_length >= radius)[:, None], short, cauchy + share.clip(0, 1)[:, None] * way)
    return np.where((np.linalg.norm(newton, axis=1) <= radius)[:, None], newton, out)
