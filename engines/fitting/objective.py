"""The energy of Keep it SMPL (ECCV 2016), Eq. 1: what a body must explain and what it should look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel
from engines.fitting.attached_points import SHAPE, Figures, Skeleton, image_points
from engines.fitting.bending import bending_residuals
from engines.fitting.capsules import Capsules
from engines.fitting.energy import Energy, squares
from engines.fitting.image_evidence import ImageEvidence, Noise
from engines.fitting.pose_prior import PosePrior, vectors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of the terms; 0 leaves one out."""

    pose: float = 1.0
    """Mixture of Gaussians."""
    shape: float = 1.0
    """Squared standard deviations of the shape."""
    bending: float = 1.0
    spheres: float = 0.0
    """Interpenetration."""
    depth: float = 1.0
    """Relative depths of the trunk: not in the paper."""


class Objective:
    """Of one body model."""

    def __init__(self, body: BodyModel, noise: Noise | None = None, prior: PosePrior | None = None) -> None:
        self.noise = noise or Noise()
        self.skeleton, self.points = Skeleton(body), image_points(body)
        self.prior, self._capsules = prior or PosePrior.load(), Capsules(body)

    def __call__(self, figures: Figures, evidence: ImageEvidence, distance_m: np.ndarray, weights: Weights) -> Energy:
        """By all parameters; ``distance_m`` (B,) as in `ImageEvidence.energy`, held while a fit runs."""
        posed = self.skeleton.pose(figures)
        places, moves = self.points.moves(figures, posed)
        total = evidence.energy(places, moves, distance_m, self.noise, weights.depth)
        vectors = vectors_of(figures)
        total += self.prior.energy(vectors).scaled(weights.pose)
        total += squares(*bending_residuals(vectors)).scaled(weights.bending)
        if weights.spheres:
            total += self._capsules.energy(figures, posed).scaled(weights.spheres)
        betas = np.arange(figures.betas.shape[1]) + SHAPE.start
        total.value[:] += weights.shape * (figures.betas**2).sum(1)
        total.gradient[:, betas] += weights.shape * figures.betas
        total.hessian[:, betas, betas] += weights.shape
        return total
