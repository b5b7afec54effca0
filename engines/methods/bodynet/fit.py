"""The body model fitted to the surface of a volume and to the image points: damped Gauss-Newton around a first guess.

BodyNet (section 3.4) minimises distances between the surface and the nearest body vertices, both ways, weighted by the
volume's confidence, and of the 3D joints. Here distances are measured in the grid, along the normals of the surface,
and level off for what does not fit; joints enter as image points and depths (`engines.fitting.image_evidence`), poses
have a prior and shapes are normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from engines.body import BodyModel
from engines.fitting.attached_points import PLACE, SHAPE, AttachedPoints, Figures, Skeleton, image_points
from engines.fitting.consistency import Pull
from engines.fitting.energy import Energy, robust_squares
from engines.fitting.gauss_newton import approach
from engines.fitting.image_evidence import MIN_DEPTH_M, ImageEvidence
from engines.fitting.pose_prior import PosePrior, vectors_of
from engines.methods.bodies import Bodies
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.surface import SurfacePoints

MESH_LEVEL = 2


POINT_PULL = Pull(steps=4, max_turn_rad=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How strongly each term counts."""

    pull: Pull = POINT_PULL
    """Onto the image points and depths."""
    surface: float = 0.03
    """Standard deviation of a surface point of full confidence, grid units: a cell of 64^3."""
    reach: float = 0.12
    """Where its error begins to level off."""
    votes: float = 60.0
    """Surface points together count as so many independent ones."""
    farthest: float = 0.3
    """Pairs farther apart are none."""
    turn: float = 0.2
    """Grid units that a right angle between the normals of a pair is worth."""
    stay_rad: float = 0.3
    stay_place: float = 0.07
    """Standard deviations from the first guess; the place's over its distance."""
    shape: float = 1.0
    """Standard deviation of the betas."""


class SurfaceFit:
    """Ready for one body model."""

    def __init__(self, body: BodyModel, options: FitOptions | None = None) -> None:
        self.options = options or FitOptions()
        self._body = body
        self._skeleton, self._points, self._prior = Skeleton(body), image_points(body), PosePrior.load()
        # Every other coarse vertex: 6 cm apart, where limbs are 8 cm thick.
        self._picked = np.arange(0, body.level_sizes[MESH_LEVEL], 2)
        self._mesh = mesh_points(body, MESH_LEVEL, self._picked)

    def fit(self, bodies: Bodies, evidence: ImageEvidence, grid: GridView, surface: SurfacePoints) -> Bodies:
        """One body (B = 1), started from where ``bodies`` has it. Numbers that fail leave it there."""
        own, start = self.options, Figures.of(bodies.pose, bodies.betas, bodies.translation)
        distance = np.maximum(start.translation[:, 2], MIN_DEPTH_M)
        stay = np.full((1, SHAPE.start + start.betas.shape[1]), own.stay_rad**-2.0)
        stay[:, PLACE] = (own.stay_place * distance[:, None]) ** -2
        stay[:, SHAPE] = own.shape**-2.0
        # Betas are drawn to the mean body, the rest to the first guess.
        goal = np.zeros_like(stay)
        goal[:, SHAPE] = -start.betas
        found, sound = approach(
            lambda figures: self._energy(figures, evidence, grid, surface, distance),
            start,
            stay,
            goal=goal,
            steps=own.pull.steps,
            max_turn_rad=own.pull.max_turn_rad,
        )
        if not sound[0]:
            return bodies
        return Bodies.of(self._body, vectors_of(found), found.betas, found.translation)

    def _energy(
        self, figures: Figures, evidence: ImageEvidence, grid: GridView, surface: SurfacePoints, distance: np.ndarray
    ) -> Energy:
        own = self.options
        posed = self._skeleton.pose(figures)
        places, moves = self._points.moves(figures, posed)
        energy = evidence.energy(places, moves, distance, own.pull.noise)
        energy += self._prior.energy(vectors_of(figures)).scaled(own.pull.prior)

        vertices, surface_row = self._pairs(figures, grid, surface)
        if not len(vertices):
            return energy
        places, moves = self._mesh.moves(figures, posed)
        root = figures.translation
        by_point, by_root = grid.derivatives(places, root)
        by_step = by_point @ moves
        by_step[..., PLACE] += by_root
        normals = surface.normals[surface_row]
        apart = grid.to_grid(places, root)[0, vertices] - surface.places[surface_row]
        error = (normals * apart).sum(1)
        along = (normals[:, None] @ by_step[0, vertices])[:, 0]
        weight = surface.confidence[surface_row] * (own.votes / len(vertices))
        energy += robust_squares(
            error[None, :, None] / own.surface,
            along[None, :, None] / own.surface,
            weight[None],
            own.reach / own.surface,
        )
        return energy

    def _pairs(self, figures: Figures, grid: GridView, surface: SurfacePoints) -> tuple[np.ndarray, np.ndarray]:
        """Nearest neighbours both ways, place and normal: rows of the picked vertices and of the surface points."""
        own, faces = self.options, self._body.faces[MESH_LEVEL]
        mesh = self._body.forward(figures.rotations, figures.betas, figures.translation, MESH_LEVEL).vertices
        vertices = grid.to_grid(mesh, figures.translation)[0]
        normals = vertex_normals(vertices, faces)[self._picked]
        vertices = vertices[self._picked]
        body = np.concatenate((vertices, own.turn * normals), 1)
        if not np.isfinite(body).all():
            nobody = np.zeros(0, np.intp)
            return nobody, nobody
        outside = np.concatenate((surface.places, own.turn * surface.normals), 1)
        far, nearest = cKDTree(outside).query(body)
        # The grid ends at the crop's border; what leaves it has no surface.
        mine = np.flatnonzero((far < own.farthest) & (np.abs(vertices) < 1).all(1))
        back, owner = cKDTree(body).query(outside)
        theirs = np.flatnonzero(back < own.farthest)
        return np.concatenate((mine, owner[theirs])), np.concatenate((nearest[mine], theirs))


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3), (F, 3) counter-clockwise from outside -> (V, 3) outward unit normals, faces weighted by area."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack([np.bincount(faces.ravel(), np.repeat(n, 3), len(vertices)) for n in normal.T], 1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def mesh_points(body: BodyModel, level: int, picked: np.ndarray) -> AttachedPoints:
    """Some vertices of a mesh level, as points attached to the skeleton."""
    template, dirs, weights = body.v_template, body.shapedirs.reshape(len(body.v_template), -1), body.weights
    template, dirs, weights = (
        body.downsample(x, 0, level)[picked].astype(np.float64) for x in (template, dirs, weights)
    )
    point, joint = np.nonzero(weights > 1e-4)
    weight = weights[point, joint] / (weights * (weights > 1e-4)).sum(1)[point]
    stacked = np.concatenate((template[..., None], dirs.reshape(len(picked), 3, -1)), -1)
    rest = np.concatenate((body.joints_template[..., None], body.joints_shapedirs), -1)
    anchor = body.bind_to_tpose[joint] @ (weight[:, None, None] * (stacked[point] - rest[joint]))
    return AttachedPoints(point, joint, weight, anchor[..., 0], anchor[..., 1:])
