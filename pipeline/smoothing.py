"""Smooths bodies over time, per person: rotations, place and shape, each in the terms in which it errs.

- Rotations: One-Euro on SO(3), per joint.
- Place: the direction in which the pelvis is seen errs little and is filtered lightly, so that the body stays on its
  picture; its depth, which one camera sees badly, is filtered more (as its logarithm: errors grow with distance).
- Shape: nobody's changes. A running mean whose inertia grows with the time for which a person was seen. Depth follows
  the size of the body, so that a corrected shape does not grow or shrink in the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engines.body import BodyModel
from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.estimate import BodyEstimate
from pipeline.one_euro import OneEuro, RotationState, VectorState

_MIN_DEPTH_M = 0.05
_FORGET_S = 10.0
"""People not seen for so long are forgotten; ids are not reused, so that only memory is at stake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingSettings:
    """How bodies are smoothed. Raises ValueError on values that make no sense."""

    rotation: OneEuro
    """Speeds in rad / s."""
    direction: OneEuro
    """Speeds in rad / s, nearly: x / z and y / z."""
    depth: OneEuro
    """Speeds in relative change / s."""
    shape_s: float = 0.2
    """Time for which the first shape seen of somebody counts."""
    reset_after_s: float = 0.4
    """A person unseen for longer starts afresh; only their shape is kept."""

    def __post_init__(self) -> None:
        for name in ("shape_s", "reset_after_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, it must be a positive time in seconds")


PRESETS: dict[str, SmoothingSettings | None] = {
    "none": None,
    "low-latency": SmoothingSettings(
        rotation=OneEuro(2.0, 4.0, 2.0), direction=OneEuro(5.0, 80.0, 1.0), depth=OneEuro(1.0, 20.0, 0.5)
    ),
    "default": SmoothingSettings(
        rotation=OneEuro(1.0, 2.0, 2.0), direction=OneEuro(2.0, 60.0, 1.0), depth=OneEuro(0.5, 10.0, 0.5)
    ),
    "smooth": SmoothingSettings(
        rotation=OneEuro(0.7, 1.0, 2.0), direction=OneEuro(1.0, 30.0, 1.0), depth=OneEuro(0.3, 5.0, 0.5)
    ),
}
"""Names of `--smoothing`; None publishes what the networks say. Figures: `python -m pipeline.smoothing_report`."""


@dataclass(frozen=True, slots=True)
class _Person:
    time_s: float
    rotations: RotationState
    direction: VectorState
    depth: VectorState
    """Logarithm of metres."""
    betas: np.ndarray
    seen_s: float
    """Weight of ``betas``: seconds of sight."""


class Smoother:
    """Keeps one filter per person. Not thread safe: it belongs to the estimator's thread."""

    def __init__(self, settings: SmoothingSettings | str | None = "default") -> None:
        if isinstance(settings, str):
            if settings not in PRESETS:
                raise ValueError(f"smoothing is {settings!r}, it must be one of {', '.join(PRESETS)}")
            settings = PRESETS[settings]
        self.settings = settings
        self._people: dict[tuple[str, int], _Person] = {}

    def apply(self, stream: str, track_id: int, t_s: float, estimate: BodyEstimate, body: BodyModel) -> BodyEstimate:
        """The smoothed body, joints recomputed; its 2D points, score and quality remain those of the frame.

        ``t_s`` is the media time of the frame. Where it runs backwards the person starts afresh.
        """
        settings = self.settings
        if settings is None or not estimate.translation[2] > _MIN_DEPTH_M:
            return estimate
        key = (stream, track_id)
        old = self._people.get(key)
        if old is None or t_s < old.time_s:
            self._forget(stream, t_s)
            old = None
        dt_s = 0.0 if old is None else t_s - old.time_s

        betas, seen_s = np.asarray(estimate.betas, np.float64), settings.shape_s
        if old is not None:
            # A doubtful look counts for less; a pause counts for no more than the frame after it.
            weight_s = max(float(estimate.score), 0.0) * min(dt_s, settings.reset_after_s)
            seen_s = old.seen_s + weight_s
            betas = old.betas + weight_s / seen_s * (betas - old.betas)

        rotations = rotation_matrices(np.asarray(estimate.pose, np.float64))
        x, y, z = estimate.translation.tolist()
        direction = np.array([x / z, y / z])
        depth = np.array([math.log(z * size_ratio(body, betas, estimate.betas))])
        if old is None or dt_s > settings.reset_after_s:
            person = _Person(
                t_s,
                RotationState.start(rotations),
                VectorState.start(direction),
                VectorState.start(depth),
                betas,
                seen_s,
            )
        else:
            person = _Person(
                t_s,
                old.rotations.step(settings.rotation, rotations, dt_s),
                old.direction.step(settings.direction, direction, dt_s),
                old.depth.step(settings.depth, depth, dt_s),
                betas,
                seen_s,
            )
        self._people[key] = person
        return _published(person, estimate, body)

    def _forget(self, stream: str, now_s: float) -> None:
        """Drops those of a stream whom nobody saw for long, or who were seen in a future that was rewound."""
        self._people = {
            key: person
            for key, person in self._people.items()
            if key[0] != stream or 0 <= now_s - person.time_s <= _FORGET_S
        }


def _published(person: _Person, estimate: BodyEstimate, body: BodyModel) -> BodyEstimate:
    z = math.exp(person.depth.value[0])
    x, y = person.direction.value.tolist()
    translation = np.array([x * z, y * z, z], np.float32)
    rotations = person.rotations.value
    betas = person.betas.astype(np.float32)
    pose = rotation_vectors(rotations).astype(np.float32)
    joints = body.joints(rotations[None], betas[None], translation[None])[0]
    return replace(estimate, pose=pose, betas=betas, translation=translation, joints=joints)


def size_ratio(body: BodyModel, betas: np.ndarray, measured: np.ndarray) -> float:
    """Height of the body of ``betas`` (10,) over that of ``measured`` (10,), between their highest and lowest joint."""
    rest = body.joints_rest(np.stack([betas, measured]))
    height, measured_height = np.ptp(rest[..., 1], axis=1).tolist()
    return height / measured_height
