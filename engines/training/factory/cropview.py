"""The view of a square crop of a bigger picture: off-centre intrinsics, target box, visibility of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.camera import Intrinsics
from engines.keypoints import JOINT_NAMES, NUM_COCO, NUM_POINTS
from engines.training.factory.shards import CROP_PX

NETWORK_PADDING = 1.25
"""Side of the networks' crop over the long side of the person's keypoint box."""
STORED_PADDING = 1.25
"""Side of the stored crop over that of the networks' crop: room for shift, scale and rotation in training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropView:
    """A square of the source picture and how its pixels relate to the camera."""

    source: Intrinsics
    """Intrinsics of the source picture."""
    source_size: tuple[int, int]
    """Width and height of the source picture, pixels."""
    centre: tuple[float, float]
    """Centre of the crop, source pixels."""
    side: float
    """Side of the crop, source pixels."""

    @property
    def scale(self) -> float:
        """Stored-crop pixels per source pixel."""
        return CROP_PX / self.side

    @property
    def intrinsics(self) -> Intrinsics:
        """Intrinsics of the stored crop."""
        left, top = self.centre[0] - self.side / 2, self.centre[1] - self.side / 2
        return Intrinsics(
            fx=self.source.fx * self.scale,
            fy=self.source.fy * self.scale,
            cx=(self.source.cx - left) * self.scale,
            cy=(self.source.cy - top) * self.scale,
        )

    def in_source(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of the source picture's border in stored-crop pixels; may lie outside the crop."""
        left, top = self.centre[0] - self.side / 2, self.centre[1] - self.side / 2
        width, height = self.source_size
        return -left * self.scale, -top * self.scale, (width - left) * self.scale, (height - top) * self.scale

    def as_row(self) -> np.ndarray:
        """(5,) float32: `SynthSample.crop_in_source`."""
        return np.array([*self.source_size, *self.centre, self.side], np.float32)


def inside(points_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, 2) source pixels -> (N,) bool: inside a picture of (width, height)."""
    return np.all((points_px >= 0) & (points_px < np.array(size)), axis=-1)


def point_box(points: np.ndarray) -> np.ndarray:
    """(N, 2) -> (4,) x0, y0, x1, y1."""
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def view_around(
    points_px: np.ndarray, source: Intrinsics, size: tuple[int, int], rng: np.random.Generator | None = None
) -> CropView:
    """Stored crop around the points (N, 2) that lie inside the picture; `rng` shakes it by a few percent.

    Raises ValueError if no point lies inside.
    """
    seen = points_px[inside(points_px, size)]
    if len(seen) == 0:
        raise ValueError(f"none of {len(points_px)} points lies in the {size[0]}x{size[1]} picture; nothing to crop")
    x0, y0, x1, y1 = point_box(seen)
    side = max(x1 - x0, y1 - y0, 8.0) * NETWORK_PADDING * STORED_PADDING
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    if rng is not None:
        side *= rng.uniform(0.94, 1.1)
        cx, cy = rng.normal((cx, cy), 0.02 * side)
    return CropView(source=source, source_size=size, centre=(float(cx), float(cy)), side=float(side))


def _tolerances() -> np.ndarray:
    """How far behind the visible surface a point may lie and still be the thing seen there, metres."""
    out = np.full(NUM_POINTS, 0.10)
    out[:NUM_COCO] = [0.04] * 5 + [0.13, 0.13] + [0.09] * 4 + [0.16, 0.16] + [0.10, 0.10, 0.09, 0.09]
    trunk = ("pelvis", "hip", "spine1", "spine2", "spine3", "neck", "collar", "head")
    out[NUM_COCO:][[name.endswith(trunk) for name in JOINT_NAMES]] = 0.18
    return out.astype(np.float32)


DEPTH_TOLERANCE_M = _tolerances()


def label_points(points_cam: np.ndarray, view: CropView, depth: np.ndarray) -> np.ndarray:
    """Points (41, 3) metres, camera frame, and the rendered depth (S, S) of the crop (0: nothing) -> (41, 3) labels.

    Columns as `SynthSample.points`. A point is visible where no surface lies nearer than it by more than the
    thickness of its body part.
    """
    pixels = view.intrinsics.project(points_cam)
    x0, y0, x1, y1 = view.in_source()
    seen = (pixels[:, 0] >= x0) & (pixels[:, 0] < x1) & (pixels[:, 1] >= y0) & (pixels[:, 1] < y1)
    seen &= points_cam[:, 2] > 0.05
    size = depth.shape[0]
    index = np.clip((pixels * size / CROP_PX).astype(int), 0, size - 1)
    surface = depth[index[:, 1], index[:, 0]]
    free = (surface == 0) | (points_cam[:, 2] <= surface + DEPTH_TOLERANCE_M)
    visible = np.where(seen, np.where(free, 1.0, 0.5), 0.0)
    return np.column_stack([pixels, visible]).astype(np.float32)
