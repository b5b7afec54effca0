"""Where the cells of an occupancy grid lie in the world.

The front view of the grid is the crop: cell (i, j) of H x W shows the same square of the picture as a pixel of the
crop resized to W x H, whatever the depth. So the grid is a frustum, its rays are the camera's, and its silhouette needs
no other projection than a maximum along depth. BodyNet (section 3.2) scales an upright box to the silhouette instead,
which is the same for a camera far away. Grid units: -1..1 over each axis; depth 0 is the root joint's, and there a unit
is as long in depth as it is across.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engines.methods.evidence import CropRequest
from engines.methods.virtual_camera import VirtualCamera

NEAREST = 0.02
"""Distance from the camera, as a part of the root's, at which points are held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridView:
    """Grids of B crops."""

    view: VirtualCamera
    """Depth is measured along its axis, the ray of the crop's centre."""
    centers_px: np.ndarray
    """(B, 2) float64."""
    half_px: np.ndarray
    """(B,) float64: half the side of the crops, pixels of the source pictures."""

    @classmethod
    def of_requests(cls, requests: Sequence[CropRequest]) -> GridView:
        """Raises ValueError on crops of no size."""
        centers = np.stack([np.asarray(request.center_px, np.float64) for request in requests])
        sides = np.array([request.side_px for request in requests], np.float64)
        view = VirtualCamera.of_crops([request.intrinsics for request in requests], centers, sides)
        return cls(view=view, centers_px=centers, half_px=sides / 2)

    def row(self, row: int) -> GridView:
        """The grid of one crop, B = 1."""
        view = VirtualCamera(
            R_virtual_source=self.view.R_virtual_source[row, None],
            half_tan=self.view.half_tan[row, None],
            focal_px=self.view.focal_px[row, None],
            principal_px=self.view.principal_px[row, None],
        )
        return GridView(view=view, centers_px=self.centers_px[row, None], half_px=self.half_px[row, None])

    def depth(self, points: np.ndarray) -> np.ndarray:
        """Points (B, P, 3) metres, source camera -> (B, P) metres along the rays of the crops' centres."""
        return (points @ self.view.R_virtual_source[:, 2, :, None].astype(np.float64))[..., 0]

    def to_grid(self, points: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Points (B, P, 3) metres, source camera -> (B, P, 3) float64 grid units; root (B, 3): the pelvis joint.

        Points near the camera or behind it are held at `NEAREST` of the root's distance.
        """
        points = np.asarray(points, np.float64)
        root_depth = self.depth(root[:, None])
        nearest = NEAREST * root_depth
        along = np.maximum(self.depth(points), nearest)
        z = np.maximum(points[..., 2:], nearest[..., None])
        pixels = points[..., :2] / z * self.view.focal_px[:, None] + self.view.principal_px[:, None]
        across = (pixels - self.centers_px[:, None]) / self.half_px[:, None, None]
        deep = (along / root_depth - 1) / self.view.half_tan[:, None]
        return np.concatenate((across, deep[..., None]), -1)

    def to_camera(self, points: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Inverse of `to_grid`: grid units -> metres, source camera."""
        points = np.asarray(points, np.float64)
        pixels = points[..., :2] * self.half_px[:, None, None] + self.centers_px[:, None]
        flat = (pixels - self.view.principal_px[:, None]) / self.view.focal_px[:, None]
        rays = np.concatenate((flat, np.ones_like(flat[..., :1])), -1)
        along = self.depth(root[:, None]) * (1 + self.view.half_tan[:, None] * points[..., 2])
        return rays * (along / self.depth(rays))[..., None]

    def depth_units(self, depth_m: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Depths (B, P) relative to the root, metres along the axis -> (B, P) float32 grid units."""
        unit = self.depth(root[:, None]) * self.view.half_tan[:, None]
        return (depth_m / unit).astype(np.float32)

    def derivatives(self, points: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of `to_grid`, per metre: by the points (B, P, 3, 3) and by the root (B, P, 3, 3), where nothing is held."""
        points = np.asarray(points, np.float64)
        axis = self.view.R_virtual_source[:, 2].astype(np.float64)
        root_depth = self.depth(root[:, None])
        z = np.maximum(points[..., 2], NEAREST * root_depth)
        scale = (self.view.focal_px / self.half_px[:, None])[:, None] / z[..., None]
        by_point = np.zeros((*points.shape[:2], 3, 3))
        by_point[..., 0, 0], by_point[..., 1, 1] = scale[..., 0], scale[..., 1]
        by_point[..., :2, 2] = -scale * points[..., :2] / z[..., None]
        unit = root_depth * self.view.half_tan[:, None]
        by_point[..., 2, :] = (axis / unit)[:, None]
        by_root = np.zeros_like(by_point)
        by_root[..., 2, :] = -(self.depth(points) / (root_depth * unit))[..., None] * axis[:, None]
        return by_point, by_root
