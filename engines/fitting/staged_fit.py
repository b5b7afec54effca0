"""Fits of bodies to image points in stages, from nothing or from a body that is nearly right.

After Keep it SMPL (ECCV 2016), Section 3.3: the torso places the camera, then four stages in which the priors give way
to the points, the last with the interpenetration term. People who stand sideways are fitted facing both ways, and the
fit of less energy is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engines.body import BodyModel
from engines.body.rotations import rotation_matrices
from engines.fitting.attached_points import NUM_TURNS, PLACE, Figures, way
from engines.fitting.camera_start import TORSO_POINTS, start_figures, turned_as_torsos, turned_round
from engines.fitting.dogleg import minimise
from engines.fitting.energy import Energy
from engines.fitting.image_evidence import MIN_DEPTH_M, ImageEvidence
from engines.fitting.objective import Objective, Weights
from engines.fitting.pose_prior import PRIOR_JOINTS

SPHERES = 30.0
STAGES = (
    (Weights(pose=100.0, shape=50.0, bending=30.0), 8),
    (Weights(pose=30.0, shape=20.0, bending=10.0), 8),
    (Weights(pose=5.0, shape=5.0, bending=3.0), 8),
    (Weights(spheres=SPHERES), 15),
)
"""Weights and rounds; the last stage's energy is the posterior that fits are compared by."""
TORSO_ROUNDS = 10
POSTURES = slice(0, 6, 2)
"""Components of the pose prior whose means are further starts of a thorough fit; more of them find next to nothing."""
WARM_ROUNDS = 5
TURN_RAD_S, PLACE_M_S = 3.0, 1.5
"""How fast people turn their joints and move, one standard deviation; more than enough for all but kicks and throws,
which a few frames later have been caught up with."""
MIN_GAP_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """B fitted bodies."""

    figures: Figures
    energy: np.ndarray
    """(B,) of the last stage: lower is better for the same evidence."""

    def rows(self, index: np.ndarray) -> Fit:
        """Some of the bodies."""
        return Fit(figures=self.figures.rows(index), energy=self.energy[index])

    def put(self, index: np.ndarray, other: Fit) -> Fit:
        """With these rows replaced by the other's."""
        energy = self.energy.copy()
        energy[index] = other.energy
        return Fit(figures=self.figures.put(index, other.figures), energy=energy)

    def where(self, keep: np.ndarray, other: Fit) -> Fit:
        """Rows of this where ``keep`` (B,), of the other elsewhere."""
        return Fit(figures=self.figures.where(keep, other.figures), energy=np.where(keep, self.energy, other.energy))


class StagedFit:
    """Ready for one body model; stages may be given other weights (docs/methods/smplify.md)."""

    def __init__(
        self, body: BodyModel, objective: Objective | None = None, stages: tuple[tuple[Weights, int], ...] = STAGES
    ) -> None:
        self.objective = objective or Objective(body)
        self._stages = stages
        self._shapes = body.num_betas

    def cold(self, evidence: ImageEvidence, *, thorough: bool = True) -> Fit:
        """From nothing but the evidence; ``thorough``: not only from standing bodies but from other postures too."""
        skeleton, points = self.objective.skeleton, self.objective.points
        start, sideways = start_figures(evidence, skeleton, points, self._shapes)
        start = turned_as_torsos(start, evidence, skeleton, points)
        fit = self._either_way(start, sideways, evidence)
        for posture in self.objective.prior.means[POSTURES] if thorough else ():
            held = np.broadcast_to(rotation_matrices(posture.reshape(-1, 3)), (len(sideways), len(PRIOR_JOINTS), 3, 3))
            other = self._either_way(start.with_rotation(list(PRIOR_JOINTS), held), sideways, evidence)
            fit = fit.where(fit.energy <= other.energy, other)
        return fit

    def _either_way(self, start: Figures, sideways: np.ndarray, evidence: ImageEvidence) -> Fit:
        fit = self._stage_by_stage(start, evidence)
        either = np.flatnonzero(sideways)
        if len(either):
            other = self._stage_by_stage(turned_round(start.rows(either)), evidence.rows(either))
            first = fit.rows(either)
            fit = fit.put(either, first.where(first.energy <= other.energy, other))
        return fit

    def warm(
        self, start: Figures, evidence: ImageEvidence, rounds: int = WARM_ROUNDS, gap_s: np.ndarray | None = None
    ) -> Fit:
        """From bodies that were right ``gap_s`` (B,) ago and cannot have moved far since; None: that a network found,
        which may be anywhere."""
        if gap_s is None:
            return self._minimise(start, evidence, self._stages[-1][0], rounds)
        slack = np.maximum(gap_s, MIN_GAP_S)[:, None] * np.r_[np.full(NUM_TURNS, TURN_RAD_S), np.full(3, PLACE_M_S)]
        fit = self._minimise(start, evidence, self._stages[-1][0], rounds, near=slack)
        moved = ((way(start, fit.figures) / slack) ** 2).sum(1)
        return Fit(figures=fit.figures, energy=fit.energy - moved)

    def _stage_by_stage(self, start: Figures, evidence: ImageEvidence) -> Fit:
        torso = np.zeros(evidence.weight.shape[1])
        torso[TORSO_POINTS] = 1.0
        only = replace(evidence, weight=evidence.weight * torso, depth_weight=evidence.depth_weight * torso)
        # Without a torso the rest must do.
        has = (only.weight.max(1) > 0)[:, None]
        only = replace(
            only,
            weight=np.where(has, only.weight, evidence.weight),
            depth_weight=np.where(has, only.depth_weight, evidence.depth_weight),
        )
        place = np.r_[0:3, PLACE]
        fit = self._minimise(start, only, self._stages[0][0], TORSO_ROUNDS, place)
        for weights, rounds in self._stages:
            fit = self._minimise(fit.figures, evidence, weights, rounds)
        return fit

    def _minimise(
        self,
        start: Figures,
        evidence: ImageEvidence,
        weights: Weights,
        rounds: int,
        free: np.ndarray | None = None,
        near: np.ndarray | None = None,
    ) -> Fit:
        """``near`` (B, 63): standard deviations of what leads away from the start; None: as far as it wants."""
        distance = np.maximum(start.translation[:, 2], MIN_DEPTH_M)
        everyone = np.arange(len(distance))

        def evaluate(figures: Figures, rows: np.ndarray) -> Energy:
            own = evidence if len(rows) == len(everyone) else evidence.rows(rows)
            energy = self.objective(figures, own, distance[rows], weights)
            if near is not None:
                away = way(start.rows(rows), figures) / near[rows]
                energy.value[:] += (away**2).sum(1)
                energy.gradient[:, : PLACE.stop] += away / near[rows]
                diagonal = np.arange(PLACE.stop)
                energy.hessian[:, diagonal, diagonal] += 1 / near[rows] ** 2
            return energy

        figures, energy = minimise(evaluate, start, rounds=rounds, free=free)
        return Fit(figures=figures, energy=energy)
