"""Pinhole camera: intrinsics, projection and the view of a crop.

Camera frame: x right, y down, z forward (OpenCV), metres. Image points are in pixels with the centre of the top-left
pixel at (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DEFAULT_FOV_DEG = 55.0
"""Horizontal field of view assumed when the user gives no camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intrinsics:
    """Focal lengths and principal point of a pinhole camera, pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    assumed: bool = False
    """True where nobody measured the camera and the default field of view stands in."""

    def __post_init__(self) -> None:
        for name in ("fx", "fy"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}, a focal length must be a positive number of pixels")
        if not (math.isfinite(self.cx) and math.isfinite(self.cy)):
            raise ValueError(f"principal point is ({self.cx}, {self.cy}), it must be finite pixels")

    @classmethod
    def from_fov(
        cls, width: int, height: int, fov_deg: float = DEFAULT_FOV_DEG, *, assumed: bool = False
    ) -> Intrinsics:
        """Square pixels, centred principal point, horizontal field of view ``fov_deg`` (degrees)."""
        if not 0 < fov_deg < 180:
            raise ValueError(f"field of view is {fov_deg} degrees, it must lie between 0 and 180")
        focal = 0.5 * width / math.tan(math.radians(fov_deg) / 2)
        return cls(fx=focal, fy=focal, cx=width / 2, cy=height / 2, assumed=assumed)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in metres, camera frame -> (..., 2) pixels. Points with z <= 1 cm are pushed to 1 cm."""
        z = np.maximum(points[..., 2], 0.01)
        # One axis after the other: numpy is slow where the last axis is short.
        out = np.empty((*points.shape[:-1], 2))
        out[..., 0] = points[..., 0] / z * np.float64(self.fx) + self.cx
        out[..., 1] = points[..., 1] / z * np.float64(self.fy) + self.cy
        return out
