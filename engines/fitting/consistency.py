"""A body that a network found, pulled onto the image points it should cover: a few damped Gauss-Newton steps.

A regressor that never looks back is off by some centimetres in the picture even where its points are sharp. Here the
answer with the highest posterior is sought around it:

    E(d) = sum_p rho(s (u_p - x_p(d))) + sum_p rho(z_p - x_p(d)) + |d / stay|^2 + E_pose

u_p image points and z_p relative depths of the trunk, s metres per pixel at the pelvis, rho Geman-McClure, d the turns
of 20 joints and the move of the pelvis. ``stay`` says how wrong the network is: per joint and body axis, the spread of
its errors on rendered people. E_pose is the pose prior of `engines.fitting.pose_prior`. Shape stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engines.body import BodyModel
from engines.fitting.attached_points import FREE_JOINTS, Figures, Skeleton, image_points
from engines.fitting.energy import Energy
from engines.fitting.gauss_newton import approach
from engines.fitting.image_evidence import MIN_DEPTH_M, ImageEvidence, Noise
from engines.fitting.pose_prior import PosePrior, vectors_of
from engines.keypoints import JOINT_NAMES

_STAY_RAD = {
    "pelvis": (0.32, 0.55, 0.24),
    "hip": (0.55, 0.17, 0.2),
    "spine1": (0.3, 0.09, 0.12),
    "spine2": (0.14, 0.08, 0.08),
    "spine3": (0.14, 0.08, 0.09),
    "knee": (0.53, 0.09, 0.08),
    "ankle": (0.3, 0.24, 0.11),
    "neck": (0.26, 0.23, 0.15),
    "head": (0.22, 0.2, 0.17),
    "collar": (0.1, 0.08, 0.09),
    "shoulder": (0.44, 0.5, 0.29),
    "elbow": (0.2, 0.43, 0.32),
    "wrist": (0.27, 0.44, 0.31),
}
"""Spread (1.48 times the median error) of `bilayer`'s rotations on the factory's training shards, about the joint's own
axes; both sides alike."""
_STAY_TURNS = np.concatenate(
    [_STAY_RAD[JOINT_NAMES[joint].removeprefix("left_").removeprefix("right_")] for joint in FREE_JOINTS]
)
_STAY_PLACE = (0.03, 0.03, 0.1)
"""The same of the pelvis, over its distance."""


NOISE = Noise(point_m=0.01, reach_m=0.1, depth_m=0.2, depth_reach_m=0.6, confidence_power=3.0)
"""Measured errors of the trunk grow with the confidence to about -1.5. Depths are wrong for the whole body together
(docs/methods/bilayer.md), so that each alone counts for less than its own error says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How strongly; tuned on training shards, steps on clips (docs/methods/bilayer.md)."""

    steps: int = 4
    """Chosen on clips: two leave raised arms short of their points, three are worse than either on rendered clips."""
    max_turn_rad: float = 0.6
    """No joint turns further in one step: beyond, the linear picture of a turn is wrong."""
    noise: Noise = NOISE
    prior: float = 2.0
    """Weight of the pose prior's energy."""


def network_spread(distance_m: np.ndarray) -> np.ndarray:
    """(B, 63): how far a network's turns and place may be wrong, for bodies at distances (B,)."""
    return np.concatenate([np.tile(_STAY_TURNS, (len(distance_m), 1)), np.outer(distance_m, _STAY_PLACE)], 1)


class Consistency:
    """Ready for one body model."""

    def __init__(self, body: BodyModel, pull: Pull | None = None, prior: PosePrior | None = None) -> None:
        self.pull = pull or Pull()
        self._skeleton, self._points = Skeleton(body), image_points(body)
        prior = prior or PosePrior.load()
        self._prior = replace(
            prior, roots=np.sqrt(self.pull.prior) * prior.roots, offsets=self.pull.prior * prior.offsets
        )

    def pull_to_points(
        self, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray, evidence: ImageEvidence
    ) -> tuple[np.ndarray, np.ndarray]:
        """pose (B, 24, 3) rotation vectors, betas (B, S), translation (B, 3) -> pose and translation, float32.

        A body without visible points, or whose numbers fail, comes back as it was but for the pose prior's pull.
        """
        start = Figures.of(pose, betas, translation)
        distance = np.maximum(start.translation[:, 2], MIN_DEPTH_M)
        found, sound = approach(
            lambda figures: self._energy(figures, evidence, distance),
            start,
            network_spread(distance) ** -2,
            steps=self.pull.steps,
            max_turn_rad=self.pull.max_turn_rad,
        )
        found = found if sound.all() else found.where(sound, start)
        return vectors_of(found).astype(np.float32), found.translation.astype(np.float32)

    def _energy(self, figures: Figures, evidence: ImageEvidence, distance_m: np.ndarray) -> Energy:
        places, moves = self._points.moves(figures, self._skeleton.pose(figures, shape=False), shape=False)
        energy = evidence.energy(places, moves, distance_m, self.pull.noise)
        energy += self._prior.energy(vectors_of(figures))
        return energy
