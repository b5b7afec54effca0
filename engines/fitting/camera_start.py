"""Where a fit begins: a standing body at the distance that similar triangles give, turned as the torso lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.body.rotations import rotation_matrices
from engines.fitting.attached_points import AttachedPoints, Figures, Skeleton
from engines.fitting.image_evidence import ImageEvidence
from engines.keypoints import POINT_NAMES

_SHOULDERS = [POINT_NAMES.index("left_shoulder"), POINT_NAMES.index("right_shoulder")]
_HIPS = [POINT_NAMES.index("left_hip"), POINT_NAMES.index("right_hip")]
TORSO_POINTS = [*_SHOULDERS, *_HIPS, *(POINT_NAMES.index("joint_" + POINT_NAMES[p]) for p in (*_SHOULDERS, *_HIPS))]
"""Points by which the first stage places the body."""
SIDEWAYS = 0.75
"""Shoulders narrower than this over what a body that faces the camera shows: either side may be in front."""
ARMS_DOWN_RAD = 1.1
MAX_DISTANCE_M = 60.0


def standing(count: int, shapes: int) -> Figures:
    """Mean bodies at the origin, arms lowered, facing a camera (axes: x right, y down, z on)."""
    pose = np.zeros((count, 24, 3))
    pose[:, 0, 0] = np.pi
    pose[:, 16, 2], pose[:, 17, 2] = -ARMS_DOWN_RAD, ARMS_DOWN_RAD
    return Figures.of(pose, np.zeros((count, shapes)), np.zeros((count, 3)))


def start_figures(
    evidence: ImageEvidence, skeleton: Skeleton, points: AttachedPoints, shapes: int
) -> tuple[Figures, np.ndarray]:
    """Standing bodies (B) laid on the torsos, and which of them (B,) bool might as well face the other way.

    Distance as in Keep it SMPL (ECCV 2016), Section 3.3: focal length times the torso's length over its image's. The
    longer of the two sides counts, since foreshortening only shortens. Without a torso the spread of all points serves.
    """
    count = len(evidence.weight)
    figures = standing(count, shapes)
    rest = points.places(figures, skeleton.pose(figures))[0]
    flat = (evidence.points_px - evidence.principal_px[:, None]) / evidence.focal_px[:, None]
    weight = evidence.weight
    shoulders, hips = flat[:, _SHOULDERS], flat[:, _HIPS]
    seen = np.minimum(weight[:, _SHOULDERS], weight[:, _HIPS]) > 0
    sides = np.where(seen, np.linalg.norm(shoulders - hips, axis=-1), 0.0)
    longest = sides.max(1)
    torso_m = np.linalg.norm(rest[_SHOULDERS] - rest[_HIPS], axis=-1).mean()
    spread, spread_m = _spread(flat, weight), _spread(rest[None, :, :2], weight)
    has_torso = longest > 0
    distance = np.where(has_torso, torso_m / np.maximum(longest, 1e-4), spread_m / np.maximum(spread, 1e-4))
    distance = distance.clip(0.3, MAX_DISTANCE_M)
    # Roll about the optical axis: from the hips to the shoulders is up.
    best = sides.argmax(1)
    rows = np.arange(count)
    up = shoulders[rows, best] - hips[rows, best]
    roll = np.where(has_torso, np.arctan2(up[:, 0], -up[:, 1]), 0.0)
    turn = np.zeros((count, 3))
    turn[:, 2] = roll
    # Facing the camera, the left shoulder lies to the picture's right.
    across = np.stack([np.cos(roll), np.sin(roll)], 1)
    wide = ((shoulders[:, 0] - shoulders[:, 1]) * across).sum(1) + ((hips[:, 0] - hips[:, 1]) * across).sum(1)
    wide_m = rest[_SHOULDERS[0], 0] - rest[_SHOULDERS[1], 0] + rest[_HIPS[0], 0] - rest[_HIPS[1], 0]
    known = (weight[:, _SHOULDERS] > 0).all(1) & (weight[:, _HIPS] > 0).all(1)
    away = known & (wide < 0)
    sideways = ~known | (np.abs(wide) * distance < SIDEWAYS * wide_m)
    back = np.zeros((count, 3))
    back[:, 1] = np.where(away, np.pi, 0.0)
    heading = rotation_matrices(turn) @ figures.rotations[:, 0] @ rotation_matrices(back)
    turned = figures.with_rotation(0, heading)
    # The points' middle to the middle of the same points in the picture.
    total = np.maximum(weight.sum(1), 1e-9)[:, None]
    middle = (flat * weight[..., None]).sum(1) / total
    own = (points.places(turned, skeleton.pose(turned)) * weight[..., None]).sum(1) / total
    place = np.concatenate([middle * distance[:, None], distance[:, None]], 1) - own
    place[:, 2] = distance
    return replace(turned, translation=place), sideways


def turned_as_torsos(figures: Figures, evidence: ImageEvidence, skeleton: Skeleton, points: AttachedPoints) -> Figures:
    """The figures turned until their torsos lie as the depths say (Kabsch), where enough of them are known."""
    flat = (evidence.points_px - evidence.principal_px[:, None]) / evidence.focal_px[:, None]
    rays = np.concatenate([flat, np.ones_like(flat[..., :1])], -1)
    seen = rays * (figures.translation[:, None, 2:] + evidence.depth_m[..., None])
    weight = np.zeros_like(evidence.weight)
    weight[:, TORSO_POINTS] = evidence.depth_weight[:, TORSO_POINTS]
    total = np.maximum(weight.sum(1), 1e-9)[:, None, None]

    def centred(cloud: np.ndarray) -> np.ndarray:
        out: np.ndarray = cloud - (cloud * weight[..., None]).sum(1, keepdims=True) / total
        return out

    own = centred(points.places(figures, skeleton.pose(figures)))
    u, _, vt = np.linalg.svd((centred(seen) * weight[..., None]).swapaxes(1, 2) @ own)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[:, None]
    known = (weight > 0).sum(1) >= 3
    turn = np.where(known[:, None, None], u @ vt, np.eye(3))
    return figures.with_rotation(0, turn @ figures.rotations[:, 0])


def turned_round(figures: Figures) -> Figures:
    """The same bodies, facing the other way about their own upright axis."""
    return figures.with_rotation(0, figures.rotations[:, 0] @ rotation_matrices(np.array([0.0, np.pi, 0.0])))


def _spread(points: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Root mean square distance from the weighted middle: (B or 1, P, 2), (B, P) -> (B,)."""
    total = np.maximum(weight.sum(1), 1e-9)
    middle = (points * weight[..., None]).sum(1, keepdims=True) / total[:, None, None]
    return np.sqrt((((points - middle) ** 2).sum(-1) * weight).sum(1) / total)
