"""Limbs must not pass through each other: capsules filled with spheres, after Keep it SMPL (ECCV 2016), Section 3.2.

A capsule's axis runs between two joints, and its radius is the mean distance of the limb's vertices from it; both are
linear in betas (the radius by regression at one standard deviation of each). Two spheres repel each other by

    exp(-|C_i - C_j|^2 / (s_i^2 + s_j^2)),   s = r / 3

Spheres that lie close already when the body stands in its T-pose belong together and are left alone. As in the paper,
this term moves the pose but not the shape.
"""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.fitting.attached_points import NUM_TURNS, AttachedPoints, Figures, Posed, Skeleton
from engines.fitting.energy import Energy, squares
from engines.keypoints import JOINT_NAMES

SEGMENTS = {
    "hip": ("knee", 4), "knee": ("ankle", 4), "ankle": ("foot", 2), "shoulder": ("elbow", 3), "elbow": ("wrist", 3),
    "wrist": ("hand", 1), "pelvis": ("spine1", 1), "spine1": ("spine2", 1), "spine2": ("spine3", 1),
    "spine3": ("neck", 2), "neck": ("head", 1), "head": ("head", 1),
}  # fmt: skip
"""Capsule by its upper joint: the lower joint and the number of spheres."""
LIMBS = (("hip", "knee", "ankle"), ("shoulder", "elbow", "wrist"))
"""Neighbours along a limb may touch: a bent elbow presses the forearm against the upper arm."""
APART = 1.3
"""Spheres of the T-pose nearer than this times their radii together do not repel each other."""
PAIRS = 48
"""So many nearest pairs count per body; all others are far below any weight."""
NEGLIGIBLE = 1e-3


class Capsules:
    """Of one body model."""

    def __init__(self, body: BodyModel) -> None:
        centres, owner, radii = [], [], []
        names = [(side + upper, side + lower, count)
                 for upper, (lower, count) in SEGMENTS.items()
                 for side in (("left_", "right_") if "left_" + upper in JOINT_NAMES else ("",))]  # fmt: skip
        # Column 0 the mean body, then the change by each coefficient.
        joints = np.concatenate([body.joints_template[..., None], body.joints_shapedirs], -1).astype(np.float64)
        main = body.weights.argmax(1)
        for upper, lower, count in names:
            top, end = JOINT_NAMES.index(upper), JOINT_NAMES.index(lower)
            skin = main == top
            if not skin.any():
                continue
            cloud = np.concatenate([body.v_template[skin, :, None], body.shapedirs[skin]], -1).astype(np.float64)
            # A head has no joint above it: its axis is the way to its own middle.
            below = joints[end] if end != top else cloud.mean(0)
            radius = _radii(cloud, joints[top], below)
            for k in range(count):
                share = (k + 0.5) / count if end != top else 1.0
                centres.append(body.bind_to_tpose[top] @ (share * (below - joints[top])))
                owner.append(top)
                radii.append(radius)
        anchor, self._owner = np.array(centres), np.array(owner)
        count = len(anchor)
        self._points = AttachedPoints(np.arange(count), self._owner, np.ones(count), anchor[..., 0], anchor[..., 1:])
        self._radii = np.array(radii)
        self._first, self._second = self._foes(body)

    @property
    def spheres(self) -> int:
        return len(self._owner)

    def radii(self, betas: np.ndarray) -> np.ndarray:
        """(B, spheres) metres, of betas (B, S)."""
        return np.maximum(self._radii[:, 0] + betas @ self._radii[:, 1:].T, 0.01)

    def energy(self, figures: Figures, posed: Posed) -> Energy:
        """Sum over the repelling pairs, by the turns of the free joints."""
        places = self._points.places(figures, posed)
        variance = (self.radii(figures.betas) / 3) ** 2
        apart = places[:, self._first] - places[:, self._second]
        both = variance[:, self._first] + variance[:, self._second]
        rows = np.exp(-0.5 * (apart**2).sum(-1) / both)
        if rows.max() < NEGLIGIBLE:
            count = len(rows)
            zero = np.zeros((count, NUM_TURNS))
            return Energy(value=(rows**2).sum(1), gradient=zero, hessian=np.zeros((count, NUM_TURNS, NUM_TURNS)))
        worst = np.argpartition(-rows, PAIRS, axis=1)[:, :PAIRS]
        body = np.arange(len(rows))[:, None]
        _, moves = self._points.moves(figures, posed, shape=False)
        moves = moves[..., :NUM_TURNS]
        relative = moves[body, self._first[worst]] - moves[body, self._second[worst]]
        pull = (-rows / both)[body, worst][..., None] * apart[body, worst]
        return squares(rows[body, worst], (pull[:, :, None] @ relative)[:, :, 0])

    def _foes(self, body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
        shape = body.num_betas
        standing = Figures.of(np.zeros((1, 24, 3)), np.zeros((1, shape)), np.zeros((1, 3)))
        places = self._points.places(standing, Skeleton(body).pose(standing))[0]
        first, second = np.triu_indices(self.spheres, 1)
        distance = np.linalg.norm(places[first] - places[second], axis=1)
        radius = self._radii[:, 0]
        limb = np.array([_limb(JOINT_NAMES[joint]) for joint in self._owner])
        same = (limb[first] == limb[second]) & (limb[first] != "")
        foes = (distance > APART * (radius[first] + radius[second])) & ~same
        return first[foes], second[foes]


def _limb(joint: str) -> str:
    side, _, name = joint.rpartition("_")
    return next((f"{side}{index}" for index, names in enumerate(LIMBS) if name in names), "")


def _radii(cloud: np.ndarray, top: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(1 + S,) mean distance of vertices (N, 3, 1 + S) from the axis, and its change per coefficient."""

    def mean(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
        along = (b - a) / np.linalg.norm(b - a)
        offset = points - a
        return float(np.linalg.norm(offset - (offset @ along)[:, None] * along, axis=1).mean())

    base = mean(cloud[..., 0], top[:, 0], end[:, 0])
    changed = [
        mean(cloud[..., 0] + cloud[..., k], top[:, 0] + top[:, k], end[:, 0] + end[:, k])
        for k in range(1, cloud.shape[-1])
    ]
    return np.array([base, *(value - base for value in changed)])
