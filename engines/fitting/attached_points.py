"""Points attached to the skeleton, and how they move with pose, shape and place: exact, analytic, batched.

A skinned vertex is linear in the joints' transforms, and so is any fixed mixture of vertices. A landmark of a hundred
vertices is therefore a sum over the few joints that move them (`engines.body.model` for the symbols):

    x = sum_j (G_j a_j + w_j p_j),   a_j = B_j (sum_v c_v w_vj v - w_j J_j),   w_j = sum_v c_v w_vj

with a_j linear in betas. Nothing is lost and no vertex is touched. A joint is the case a = 0, w = 1; the centre of a
sphere inside a limb is the case of one joint and one anchor.

Poses change by small rotations in a joint's own axes, R_k <- R_k exp(d_k). That turns everything below joint k about
its place p_k:

    dx / dd_k = -[S_k - W_k p_k]x G_k,   S_k = the part of the sum over joints below k (k included), W_k its weights

Pose-dependent offsets of licensed SMPL files are left out: millimetres at the points used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engines.body import BodyModel
from engines.body.model import along_chain, tree_levels
from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.fitting.tangent import cross_matrices
from engines.keypoints import JOINT_NAMES, JOINT_PARENTS, NUM_JOINTS

UNSEEN_JOINTS = tuple(JOINT_NAMES.index(f"{side}_{name}") for name in ("foot", "hand") for side in ("left", "right"))
"""Ends of the skeleton: no point lies beyond them, so that points say nothing about their rotation."""
FREE_JOINTS = tuple(joint for joint in range(NUM_JOINTS) if joint not in UNSEEN_JOINTS)
"""The 20 joints that a fit turns."""
NUM_TURNS = 3 * len(FREE_JOINTS)
"""Parameters are ordered: 3 per free joint, 3 of the translation, then the betas."""
PLACE = slice(NUM_TURNS, NUM_TURNS + 3)
SHAPE = slice(NUM_TURNS + 3, None)

_TREE = tree_levels()
_FREE = np.array(FREE_JOINTS)
_AXES = np.eye(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """B bodies being fitted, float64."""

    rotations: np.ndarray
    """(B, 24, 3, 3) local rotations."""
    betas: np.ndarray
    """(B, S)"""
    translation: np.ndarray
    """(B, 3) metres, camera frame."""

    @classmethod
    def of(cls, pose: np.ndarray, betas: np.ndarray, translation: np.ndarray) -> Figures:
        """From rotation vectors (B, 24, 3)."""
        return cls(
            rotations=rotation_matrices(np.asarray(pose, np.float64)),
            betas=np.asarray(betas, np.float64),
            translation=np.asarray(translation, np.float64),
        )

    def moved(self, step: np.ndarray) -> Figures:
        """Along a step (B, n) in the order of parameters; n may stop after the translation."""
        turns = np.zeros((len(step), NUM_JOINTS, 3))
        turns[:, _FREE] = step[:, :NUM_TURNS].reshape(len(step), -1, 3)
        betas = self.betas + step[:, SHAPE] if step.shape[1] > SHAPE.start else self.betas
        return Figures(
            rotations=self.rotations @ rotation_matrices(turns),
            betas=betas,
            translation=self.translation + step[:, PLACE],
        )

    def with_rotation(self, joint: int | list[int], rotations: np.ndarray) -> Figures:
        """With other rotations (B, 3, 3) of one joint, or (B, k, 3, 3) of several."""
        changed = self.rotations.copy()
        changed[:, joint] = rotations
        return replace(self, rotations=changed)

    def where(self, keep: np.ndarray, other: Figures) -> Figures:
        """Rows of this where ``keep`` (B,), of the other elsewhere."""
        return Figures(
            rotations=np.where(keep[:, None, None, None], self.rotations, other.rotations),
            betas=np.where(keep[:, None], self.betas, other.betas),
            translation=np.where(keep[:, None], self.translation, other.translation),
        )

    def rows(self, index: np.ndarray) -> Figures:
        """Some of the bodies, in the order of the index."""
        return Figures(rotations=self.rotations[index], betas=self.betas[index], translation=self.translation[index])

    @classmethod
    def joined(cls, parts: Sequence[Figures]) -> Figures:
        """One batch after another."""
        return cls(
            rotations=np.concatenate([part.rotations for part in parts]),
            betas=np.concatenate([part.betas for part in parts]),
            translation=np.concatenate([part.translation for part in parts]),
        )

    def put(self, index: np.ndarray, other: Figures) -> Figures:
        """With these rows replaced by the other's."""
        rotations, betas, translation = self.rotations.copy(), self.betas.copy(), self.translation.copy()
        rotations[index], betas[index], translation[index] = other.rotations, other.betas, other.translation
        return Figures(rotations=rotations, betas=betas, translation=translation)


def way(before: Figures, after: Figures) -> np.ndarray:
    """(B, 63): the turns and the move that lead from one to the other; the inverse of `Figures.moved`."""
    turns = rotation_vectors(before.rotations[:, _FREE].swapaxes(-1, -2) @ after.rotations[:, _FREE])
    return np.concatenate([turns.reshape(len(turns), -1), after.translation - before.translation], 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posed:
    """The skeletons of B figures."""

    turns: np.ndarray
    """(B, 24, 3, 3): G."""
    joints: np.ndarray
    """(B, 24, 3): p."""
    joint_dirs: np.ndarray | None
    """(B, 24, 3, S): dp / dbetas; None where it was not asked for."""


class Skeleton:
    """Forward kinematics of a body model in float64."""

    def __init__(self, body: BodyModel) -> None:
        rest = np.concatenate([body.joints_template[..., None], body.joints_shapedirs], -1).astype(np.float64)
        parents = np.array(JOINT_PARENTS[1:])
        self._offsets = np.zeros_like(rest)
        self._offsets[1:] = body.bind_to_tpose[parents] @ (rest[1:] - rest[parents])

    def pose(self, figures: Figures, *, shape: bool = True) -> Posed:
        """All joints of all figures; with their derivatives by the betas if ``shape``."""
        count, shapes = figures.betas.shape
        if not shape:
            chain = along_chain(figures.rotations, self._at(figures), figures.translation)
            return Posed(turns=chain[..., :3], joints=chain[..., 3], joint_dirs=None)
        chain = np.empty((count, NUM_JOINTS, 3, 4 + shapes))
        chain[..., :3] = figures.rotations
        chain[..., 3] = self._at(figures)
        chain[..., 4:] = self._offsets[..., 1:]
        chain[:, 0, :, 3] = figures.translation
        for joints, parents in _TREE:
            above = chain[:, parents]
            here = above[..., :3] @ chain[:, joints]
            here[..., 3:] += above[..., 3:]
            chain[:, joints] = here
        return Posed(turns=chain[..., :3], joints=chain[..., 3], joint_dirs=chain[..., 4:])

    def _at(self, figures: Figures) -> np.ndarray:
        """(B, 24, 3): from the parent to the joint."""
        moved = figures.betas @ self._offsets[..., 1:].reshape(NUM_JOINTS * 3, -1).T
        return self._offsets[..., 0] + moved.reshape(-1, NUM_JOINTS, 3)


class AttachedPoints:
    """P points as sums of N attachments; see the module."""

    def __init__(
        self, point: np.ndarray, joint: np.ndarray, weight: np.ndarray, anchor: np.ndarray, anchor_dirs: np.ndarray
    ) -> None:
        """point, joint (N,) int; weight (N,); anchor (N, 3) in the T-pose axes of the joint; anchor_dirs (N, 3, S)."""
        self.count = int(point.max()) + 1
        self._joint, self._weight = joint, weight[:, None].astype(np.float64)
        self._anchor, self._dirs = anchor.astype(np.float64), anchor_dirs.astype(np.float64)
        self._sum = (np.arange(self.count)[:, None] == point).astype(np.float64)
        below = np.array([[_descends(joint, top) for joint in range(NUM_JOINTS)] for top in FREE_JOINTS])
        part = self._sum[:, None] * below[:, joint]
        # Most joints move few of the points. Rows: the points, then W_k p_k - S_k of each that a joint moves.
        moved, free = np.nonzero(part.any(-1))
        self._moving, part = _FREE[free], part[moved, free]
        centre = (part @ weight)[:, None] * np.eye(NUM_JOINTS)[self._moving]
        self._levers = np.block([[self._sum, np.zeros((self.count, NUM_JOINTS))], [-part, centre]])
        axes = np.arange(3)
        self._row = np.repeat(3 * moved[:, None] + axes, 3)
        self._column = np.tile(3 * free[:, None] + axes, 3).ravel()

    def places(self, figures: Figures, posed: Posed) -> np.ndarray:
        """(B, P, 3)"""
        return self._sum @ self._terms(figures, posed)

    def moves(self, figures: Figures, posed: Posed, *, shape: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Points (B, P, 3) and their derivatives (B, P, 3, n) by the parameters, without betas unless ``shape``."""
        count = len(figures.betas)
        found = self._levers @ np.concatenate([self._terms(figures, posed), posed.joints], 1)
        by_turn = cross_matrices(found[:, self.count :]) @ posed.turns.take(self._moving, 1)
        size = SHAPE.start + (figures.betas.shape[1] if shape else 0)
        out = np.zeros((count, self.count, 3, size))
        cells = self._row * size + self._column
        for body, turns in zip(out.reshape(count, -1), by_turn.reshape(count, -1), strict=True):
            body[cells] = turns  # with one index several times as fast as with one per axis
        out[..., PLACE] = _AXES
        if shape:
            assert posed.joint_dirs is not None, "pose the skeleton with shape=True"
            by_shape = posed.turns[:, self._joint] @ self._dirs
            by_shape += self._weight[..., None] * posed.joint_dirs[:, self._joint]
            out[..., SHAPE] = (self._sum @ by_shape.reshape(count, len(self._joint), -1)).reshape(
                count, self.count, 3, -1
            )
        return found[:, : self.count], out

    def _terms(self, figures: Figures, posed: Posed) -> np.ndarray:
        anchor = self._anchor + (figures.betas @ self._dirs.reshape(-1, self._dirs.shape[-1]).T).reshape(
            len(figures.betas), -1, 3
        )
        turned = posed.turns.take(self._joint, 1) @ anchor[..., None]
        return turned[..., 0] + self._weight * posed.joints.take(self._joint, 1)


def image_points(body: BodyModel) -> AttachedPoints:
    """The 41 points of `engines.keypoints.POINT_NAMES`."""
    mix, verts = body.coco_regressor, body.v_template.astype(np.float64)
    share = mix.dense(len(verts))
    used = np.flatnonzero(share.any(0))
    spread = share[:, used, None] * body.weights[used].astype(np.float64)
    point, joint = np.nonzero(spread.sum(1))
    weight = spread.sum(1)[point, joint]
    stacked = np.concatenate([verts[used, :, None], body.shapedirs[used]], -1)
    rest = np.concatenate([body.joints_template[..., None], body.joints_shapedirs], -1)
    mean = np.einsum("pvj,vcs->pjcs", spread, stacked)[point, joint] - weight[:, None, None] * rest[joint]
    anchor = body.bind_to_tpose[joint] @ mean
    own = np.zeros((NUM_JOINTS, *anchor.shape[1:]))
    anchor = np.concatenate([anchor, own])
    return AttachedPoints(
        np.concatenate([point, len(share) + np.arange(NUM_JOINTS)]),
        np.concatenate([joint, np.arange(NUM_JOINTS)]),
        np.concatenate([weight, np.ones(NUM_JOINTS)]),
        anchor[..., 0],
        anchor[..., 1:],
    )


def _descends(joint: int, top: int) -> bool:
    while joint not in (top, -1):
        joint = JOINT_PARENTS[joint]
    return joint == top
