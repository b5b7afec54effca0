"""The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) on vectors and on rotations, for any time step.

A low-pass whose cutoff rises with the speed of what it follows: at rest it removes jitter, in motion it does not lag.
All states are immutable: a filter is a parameter set, and `step` gives the next state. States start at their first
measurement, at rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engines.body.rotations import rotation_matrices, rotation_vectors


@dataclass(frozen=True, slots=True)
class OneEuro:
    """Parameters of the filter. Raises ValueError on values that make no sense."""

    min_cutoff_hz: float
    """Cutoff at rest: lower is smoother."""
    beta: float
    """Rise of the cutoff, Hz per unit of speed: higher lags less."""
    derivative_cutoff_hz: float = 1.0
    """Cutoff of the speed's own low-pass."""

    def __post_init__(self) -> None:
        for name in ("min_cutoff_hz", "derivative_cutoff_hz"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, a cutoff must be a positive number of Hz")
        if not (math.isfinite(self.beta) and self.beta >= 0):
            raise ValueError(f"beta is {self.beta}, it must be at least 0")

    def gain(self, speed: np.ndarray, dt_s: float) -> np.ndarray:
        """Share of the new measurement, 0..1, at ``speed``."""
        return _gain(self.min_cutoff_hz + self.beta * speed, dt_s)


@dataclass(frozen=True, slots=True)
class VectorState:
    """Vectors (..., C), each filtered as a whole: its speed is the norm of its derivative."""

    value: np.ndarray
    derivative: np.ndarray

    @classmethod
    def start(cls, value: np.ndarray) -> VectorState:
        value = np.asarray(value, np.float64)
        return cls(value, np.zeros_like(value))

    def step(self, filter_: OneEuro, measured: np.ndarray, dt_s: float) -> VectorState:
        """``dt_s`` >= 0 later, after measuring ``measured``."""
        delta = np.asarray(measured, np.float64) - self.value
        derivative, gain = _derivative_and_gain(filter_, self.derivative, delta, dt_s)
        return VectorState(self.value + gain * delta, derivative)


@dataclass(frozen=True, slots=True)
class RotationState:
    """Rotation matrices (..., 3, 3); derivatives are angular velocities (..., 3) in the rotated frame, rad / s.

    The filter acts on the rotation from the state to the measurement, the shortest there is, so that nothing depends on
    how a rotation is written, and half a turn is nothing special.
    """

    value: np.ndarray
    derivative: np.ndarray

    @classmethod
    def start(cls, value: np.ndarray) -> RotationState:
        value = np.asarray(value, np.float64)
        return cls(value, np.zeros(value.shape[:-1]))

    def step(self, filter_: OneEuro, measured: np.ndarray, dt_s: float) -> RotationState:
        """``dt_s`` >= 0 later, after measuring ``measured`` (..., 3, 3)."""
        delta = rotation_vectors(np.swapaxes(self.value, -1, -2) @ np.asarray(measured, np.float64))
        derivative, gain = _derivative_and_gain(filter_, self.derivative, delta, dt_s)
        return RotationState(self.value @ rotation_matrices(gain * delta), derivative)


def _derivative_and_gain(
    filter_: OneEuro, derivative: np.ndarray, delta: np.ndarray, dt_s: float
) -> tuple[np.ndarray, np.ndarray]:
    if dt_s > 0:
        derivative = derivative + _gain(filter_.derivative_cutoff_hz, dt_s) * (delta / dt_s - derivative)
    return derivative, filter_.gain(np.linalg.norm(derivative, axis=-1, keepdims=True), dt_s)


def _gain(cutoff_hz, dt_s: float):
    """Of a first-order low-pass: 1 / (1 + tau / dt) with tau = 1 / (2 pi f), written so that dt = 0 gives 0."""
    ratio = 2 * math.pi * cutoff_hz * dt_s
    return ratio / (1 + ratio)
