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
from engines.fitting.attached_points import NUM_TURNS, PLACE, SHAPE, AttachedPoints, Figures, Skeleton, image_points
from engines.fitting.energy import Energy, robust_squares, squares
from engines.fitting.image_evidence import MIN_DEPTH_M, ImageEvidence
from engines.fitting.pose_prior import PosePrior, vectors_of
from engines.methods.bodies import Bodies
from engines.methods.bodynet.grid import GridView
from engines.methods.bodynet.surface import SurfacePoints

MESH_LEVEL = 2
MAX_TURN_RAD = 0.5
"""No joint turns further in one step: beyond, the linear picture of a turn is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How strongly each term counts."""

    steps: int = 4
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
    point_m: float = 0.01
    depth_m: float = 0.1
    outlier_m: float = 0.1
    outlier_depth_m: float = 0.3
    """Image points and depths as in `engines.fitting.consistency.Pull`."""
    prior: float = 2.0
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
        start = Figures.of(bodies.pose, bodies.betas, bodies.translation)
        distance = np.maximum(start.translation[:, 2], MIN_DEPTH_M)
        stay = np.full((1, SHAPE.start + start.betas.shape[1]), self.options.stay_rad**-2.0)
        stay[:, PLACE] = (self.options.stay_place * distance[:, None]) ** -2
        stay[:, SHAPE] = self.options.shape**-2.0
        total = np.zeros_like(stay)
        diagonal = np.arange(stay.shape[1])
        for _ in range(self.options.steps):
            figures = start.moved(total)
            if not all(np.isfinite(x).all() for x in (figures.rotations, figures.betas, figures.translation)):
                return bodies
            energy = self._energy(figures, evidence, grid, surface, distance)
            # Betas are drawn to the mean body, the rest to the first guess.
            pull = stay * np.concatenate((total[:, : SHAPE.start], figures.betas), 1)
            energy.hessian[:, diagonal, diagonal] += stay
            step = -np.linalg.solve(energy.hessian, (energy.gradient + pull)[..., None])[..., 0]
            step[:, :NUM_TURNS] = step[:, :NUM_TURNS].clip(-MAX_TURN_RAD, MAX_TURN_RAD)
            total += step
        found = start.moved(total)
        if not np.isfinite(total).all() or found.translation[0, 2] < MIN_DEPTH_M:
            return bodies
        pose = vectors_of(found).astype(np.float32)
        betas, place = found.betas.astype(np.float32), found.translation.astype(np.float32)
        return Bodies(pose=pose, betas=betas, translation=place, joints=self._body.joints(pose, betas, place))

    def _energy(
        self, figures: Figures, evidence: ImageEvidence, grid: GridView, surface: SurfacePoints, distance: np.ndarray
    ) -> Energy:
        own = self.options
        posed = self._skeleton.pose(figures)
        places, moves = self._points.moves(figures, posed)
        energy = evidence.point_energy(places, moves, distance, point_m=own.point_m, reach_m=own.outlier_m)
        energy += evidence.depth_energy(places, moves, depth_m=own.depth_m, reach_m=own.outlier_depth_m)
        energy += squares(*self._prior.residuals(vectors_of(figures))).scaled(own.prior)

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
        return energy + robust_squares(
            error[None, :, None] / own.surface,
            along[None, :, None] / own.surface,
            weight[None],
            own.reach / own.surface,
        )

    def _pairs(self, figures: Figures, grid: GridView, surface: SurfacePoints) -> tuple[np.ndarray, np.ndarray]:
        """Nearest neighbours both ways, place and normal: rows of the picked vertices and of the surface points."""
        own, faces = self.options, self._body.faces[MESH_LEVEL]
        mesh = self._body.forward(figures.rotations, figures.betas, figures.translation, MESH_LEVEL).vertices
        vertices = grid.to_grid(mesh, figures.translation)[0]
        normals = vertex_normals(vertices, faces)[self._picked]
        vertices = vertices[self._picked]
        body = np.concatenate((vertices, own.turn * normals), 1)
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
