"""What the kernels around the lifting network must know of each crop: small tables, made on the host."""

from __future__ import annotations

import numpy as np

from engines.camera import Intrinsics
from engines.methods.virtual_camera import VirtualCamera
from kernels.launch.agreement import CAMERA_FLOATS
from kernels.launch.lift import VIEW_FLOATS


def crop_views(intrinsics: list[Intrinsics], centers_px: np.ndarray, sides_px: np.ndarray, size_px: int) -> np.ndarray:
    """(B, 17) float32, see `kernels.launch.lift.VIEW_FLOATS`; arguments as `VirtualCamera.of_crops`, and the side of a
    crop in its own pixels."""
    view = VirtualCamera.of_crops(intrinsics, centers_px, sides_px)
    table = np.empty((len(intrinsics), VIEW_FLOATS), np.float32)
    table[:, :9] = view.R_virtual_source.reshape(-1, 9)
    table[:, 9] = view.half_tan
    table[:, 10:12], table[:, 12:14] = view.focal_px, view.principal_px
    table[:, 14:16] = np.asarray(centers_px) - np.asarray(sides_px)[:, None] / 2
    table[:, 16] = np.asarray(sides_px) / size_px
    return table


def agreement_cameras(views: np.ndarray, size_px: int, cells: int) -> np.ndarray:
    """(B, 7) float32, see `kernels.launch.agreement.CAMERA_FLOATS`, from the views of the same crops."""
    table = np.empty((len(views), CAMERA_FLOATS), np.float32)
    table[:, :6] = views[:, 10:16]
    table[:, 6] = cells / (views[:, 16] * size_px)
    return table
