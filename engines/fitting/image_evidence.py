"""What an image says about B people, and how well points in space agree with it.

Errors are measured in metres: pixels times the pelvis's distance over the focal length, so that weights and reaches
mean the same for near and far people, small and large pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.camera import Intrinsics
from engines.fitting.attached_points import PLACE
from engines.fitting.energy import Energy, robust, squares
from engines.keypoints import NUM_COCO, NUM_POINTS

PELVIS = NUM_COCO
"""The pelvis among the 41 points: depths count from there."""
MIN_CONFIDENCE = 0.05
"""Points below are as good as missing."""
MIN_DEPTH_M = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What the evidence is taken to be worth."""

    point_m: float = 0.02
    """Standard deviation of a point of full confidence, at the body."""
    reach_m: float = 0.2
    """Geman and McClure's sigma: errors beyond level off."""
    depth_m: float = 0.15
    depth_reach_m: float = 0.4
    confidence_power: float = 2.0
    """How much less a weaker point counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEvidence:
    """float64."""

    points_px: np.ndarray
    """(B, 41, 2), zeros where missing."""
    weight: np.ndarray
    """(B, 41) of a squared error in units of full confidence, 0..1; 0 where missing."""
    depth_m: np.ndarray
    """(B, 41) beyond the pelvis along `ray`; zeros where unknown."""
    depth_weight: np.ndarray
    """(B, 41), 0 where unknown."""
    ray: np.ndarray
    """(B, 3) unit vectors through the middle of the crops."""
    focal_px: np.ndarray
    """(B, 2)"""
    principal_px: np.ndarray
    """(B, 2)"""

    @classmethod
    def of(
        cls,
        points_px: np.ndarray,
        depth_m: np.ndarray | None,
        intrinsics: list[Intrinsics],
        centers_px: np.ndarray,
        confidence_power: float,
    ) -> ImageEvidence:
        """points_px (B, 41, 3) with confidences, or (B, 17, 3): landmarks alone; depth_m alike or None; centers_px
        (B, 2) of the crops. A point counts by its confidence to a power. Raises ValueError on other shapes."""
        count = len(intrinsics)
        points_px = np.asarray(points_px, np.float64)
        if points_px.shape not in ((count, NUM_POINTS, 3), (count, NUM_COCO, 3)):
            raise ValueError(
                f"points_px has shape {points_px.shape}, {count} cameras need ({count}, {NUM_POINTS}, 3), "
                f"or ({count}, {NUM_COCO}, 3) for landmarks alone"
            )
        present = np.isfinite(points_px).all(-1) & (points_px[..., 2] >= MIN_CONFIDENCE)
        points, depth = np.zeros((count, NUM_POINTS, 3)), np.zeros((count, NUM_POINTS))
        given = slice(points_px.shape[1])
        points[:, given] = np.where(present[..., None], points_px, 0)
        weight = np.clip(points[..., 2], 0, 1) ** confidence_power
        known = np.zeros((count, NUM_POINTS), bool)
        if depth_m is not None:
            known[:, given] = np.isfinite(depth_m) & present
            depth[:, given] = np.where(known[:, given], depth_m, 0)
        focal = np.array([(i.fx, i.fy) for i in intrinsics], np.float64).reshape(-1, 2)
        principal = np.array([(i.cx, i.cy) for i in intrinsics], np.float64).reshape(-1, 2)
        ray = np.concatenate([(centers_px - principal) / focal, np.ones((count, 1))], 1)
        return cls(
            points_px=points[..., :2],
            weight=weight,
            depth_m=depth,
            depth_weight=weight * known,
            ray=ray / np.linalg.norm(ray, axis=1, keepdims=True),
            focal_px=focal,
            principal_px=principal,
        )

    def rows(self, index: np.ndarray) -> ImageEvidence:
        """Some of the people."""
        return ImageEvidence(**{name: getattr(self, name)[index] for name in self.__slots__})

    def energy(
        self, places: np.ndarray, moves: np.ndarray, distance_m: np.ndarray, noise: Noise, depths: float = 1.0
    ) -> Energy:
        """Robust reprojection of points (B, 41, 3) with derivatives (B, 41, 3, n), errors taken at ``distance_m`` (B,),
        and ``depths`` times the robust agreement with the relative depths."""
        count, points = self.weight.shape
        scale = (distance_m / noise.point_m)[:, None, None]
        depth = np.maximum(places[..., 2:], MIN_DEPTH_M)
        flat, near = places[..., :2] / depth, scale / depth
        seen = (self.points_px - self.principal_px[:, None]) / self.focal_px[:, None]
        ray = self.ray[:, None] / noise.depth_m
        errors = np.empty_like(places)
        errors[..., :2] = (flat - seen) * scale
        errors[..., 2] = ((places - places[:, PELVIS, None]) * ray).sum(-1) - self.depth_m / noise.depth_m
        # Robust are a point's error in the picture and that of its depth: the first two of three rows belong together.
        square = errors * errors
        square[..., 0] += square[..., 1]
        weight = np.empty((count, points, 2))
        weight[..., 0], weight[..., 1] = self.weight, depths * self.depth_weight
        reach = np.array([noise.reach_m / noise.point_m, noise.depth_reach_m / noise.depth_m])
        value, root = robust(square[..., ::2], weight, reach)
        root = root.take((0, 0, 1), -1)
        by_place = np.zeros((count, points, 3, 3))
        by_place[..., 0, :1] = by_place[..., 1, 1:2] = near
        by_place[..., :2, 2] = -near * flat
        by_place[..., 2, :] = ray
        by_place *= root[..., None]
        by_step = by_place @ moves
        # The pelvis moves with the place alone, and relative depths do not.
        by_step[..., 2, PLACE] = 0
        return squares((root * errors).reshape(count, -1), by_step.reshape(count, points * 3, -1), value)
