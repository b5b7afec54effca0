"""Where a box will be: a constant-velocity Kalman filter on its centre and sides.

The four coordinates are independent and share one covariance, so the filter is three scalars and two vectors. Noises
are in units of the box's size, so that near and far people behave alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MEASUREMENT_NOISE = 0.03
"""Standard deviation of a measured centre or side, in sizes."""
ACCELERATION_NOISE = 3.0
"""Standard deviation of a person's acceleration, sizes / s^2: a walker (1.7 m) stops or turns in half a second."""
FIRST_VELOCITY = 1.0
"""Standard deviation of the velocity of a person just met, sizes / s."""


@dataclass(frozen=True, slots=True)
class BoxMotion:
    """State of the filter."""

    position: np.ndarray
    """(4,) float64: centre x, y, width, height, pixels."""
    velocity: np.ndarray
    """(4,) pixels / s."""
    variance: tuple[float, float, float]
    """Of position, position-velocity and velocity; sizes^2, sizes^2 / s, sizes^2 / s^2."""

    @classmethod
    def start(cls, box: np.ndarray) -> BoxMotion:
        """At rest at ``box`` (4,)."""
        return cls(_from_box(box), np.zeros(4), (MEASUREMENT_NOISE**2, 0.0, FIRST_VELOCITY**2))

    @property
    def box(self) -> np.ndarray:
        """(4,) float32 x0, y0, x1, y1."""
        centre, half = self.position[:2], self.position[2:] / 2
        return np.concatenate([centre - half, centre + half]).astype(np.float32)

    @property
    def size(self) -> float:
        """Long side, pixels."""
        return float(self.position[2:].max())

    @property
    def uncertainty(self) -> float:
        """Standard deviation of the position, in sizes."""
        return self.variance[0] ** 0.5

    def predicted(self, dt_s: float, *, unseen: bool = False) -> BoxMotion:
        """``dt_s`` later. Somebody ``unseen`` keeps walking, but is not thought to grow or shrink."""
        velocity = self.velocity * (1, 1, 0, 0) if unseen else self.velocity
        p, c, v = self.variance
        q = ACCELERATION_NOISE**2
        variance = (
            p + 2 * dt_s * c + dt_s**2 * v + q * dt_s**4 / 4,
            c + dt_s * v + q * dt_s**3 / 2,
            v + q * dt_s**2,
        )
        position = self.position + dt_s * velocity
        # Sides may shrink to a tenth in one step at most: a box never turns inside out.
        position[2:] = np.maximum(position[2:], 0.1 * self.position[2:])
        return BoxMotion(position, velocity, variance)

    def corrected(self, box: np.ndarray) -> BoxMotion:
        """After measuring ``box`` (4,)."""
        p, c, v = self.variance
        total = p + MEASUREMENT_NOISE**2
        gain_p, gain_v = p / total, c / total
        innovation = _from_box(box) - self.position
        return BoxMotion(
            self.position + gain_p * innovation,
            self.velocity + gain_v * innovation,
            ((1 - gain_p) * p, (1 - gain_p) * c, v - gain_v * c),
        )

    def found_at(self, box: np.ndarray) -> BoxMotion:
        """Met again at ``box`` after an absence: the place is new, the velocity is what it was."""
        return replace(BoxMotion.start(box), velocity=self.velocity)


def _from_box(box: np.ndarray) -> np.ndarray:
    low, high = np.asarray(box[:2], np.float64), np.asarray(box[2:4], np.float64)
    return np.concatenate([(low + high) / 2, high - low])
