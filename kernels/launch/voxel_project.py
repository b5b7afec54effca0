"""Silhouettes of occupancy grids on a device; the CPU path is `kernels.voxel_project`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import DeviceArray, blocks

MOST_COLUMNS = 512
"""The widest grid; its front view is kept in registers."""
_BLOCK = (256, 1, 1)


@dataclass(frozen=True, slots=True)
class DeviceSilhouettes:
    """As `kernels.voxel_project.Silhouettes`, float32 and int32 on the device."""

    front: DeviceArray
    side: DeviceArray
    front_argmax: DeviceArray
    side_argmax: DeviceArray


def voxel_project(occupancy: DeviceArray, *, stream: Any = None) -> DeviceSilhouettes:
    """Grids (B, D, H, W) float32, W at most 512 -> the largest value along depth and along width.

    Raises TypeError or ValueError on other types and shapes.
    """
    check_array("occupancy", occupancy, ("B", "D", "H", "W"), np.float32)
    batch, depth, height, width = occupancy.shape
    if not (min(depth, height, width) > 0 and width <= MOST_COLUMNS):
        raise ValueError(f"occupancy must have D, H, W > 0 and W <= {MOST_COLUMNS}, got shape {occupancy.shape}")
    device = occupancy.device
    out = DeviceSilhouettes(
        device.empty((batch, height, width), np.float32, stream),
        device.empty((batch, height, depth), np.float32, stream),
        device.empty((batch, height, width), np.int32, stream),
        device.empty((batch, height, depth), np.int32, stream),
    )
    device.launch(
        "voxel_project",
        "voxel_project_128" if width <= 128 else "voxel_project_512",
        grid=(height, batch, 1),
        block=_BLOCK,
        stream=stream,
        occupancy=occupancy,
        front=out.front,
        side=out.side,
        front_argmax=out.front_argmax,
        side_argmax=out.side_argmax,
        depth=depth,
        height=height,
        width=width,
    )
    return out


def voxel_project_backward(
    grad_front: DeviceArray, grad_side: DeviceArray, silhouettes: DeviceSilhouettes, *, stream: Any = None
) -> DeviceArray:
    """Gradient (B, D, H, W) float32 of the occupancy, from those of front (B, H, W) and side (B, H, D)."""
    batch, height, width = silhouettes.front.shape
    depth = silhouettes.side.shape[2]
    check_array("grad_front", grad_front, (batch, height, width), np.float32)
    check_array("grad_side", grad_side, (batch, height, depth), np.float32)
    device = one_device(grad_front=grad_front, grad_side=grad_side, silhouettes=silhouettes.front)
    grad = device.empty((batch, depth, height, width), np.float32, stream)
    device.launch(
        "voxel_project",
        "voxel_project_backward",
        grid=(height, batch, 1),
        block=_BLOCK,
        stream=stream,
        grad_front=grad_front,
        grad_side=grad_side,
        front_argmax=silhouettes.front_argmax,
        side_argmax=silhouettes.side_argmax,
        grad=grad,
        depth=depth,
        height=height,
        width=width,
    )
    return grad


def voxel_perspective(
    occupancy: DeviceArray, cameras: DeviceArray, size: tuple[int, int], *, stream: Any = None
) -> tuple[DeviceArray, DeviceArray]:
    """Grids (B, D, H, W) float32 as pinhole cameras see them: silhouettes and arg-max, see `kernels.voxel_perspective`.

    cameras: (B, 8) float32; size: (width, height) of the picture, pixels.
    """
    check_array("occupancy", occupancy, ("B", "D", "H", "W"), np.float32)
    batch, depth, height, width = occupancy.shape
    check_array("cameras", cameras, (batch, 8), np.float32)
    columns, rows = size
    if min(depth, height, width, columns, rows) < 1 or depth * height * width >= 2**31:
        raise ValueError(f"grid {occupancy.shape} and picture {size} must not be empty, nor the grid have 2^31 voxels")
    device = one_device(occupancy=occupancy, cameras=cameras)
    silhouette = device.empty((batch, rows, columns), np.float32, stream)
    argmax = device.empty((batch, rows, columns), np.int32, stream)
    device.launch(
        "voxel_project",
        "voxel_perspective",
        grid=(blocks(columns, 32), blocks(rows, 8), batch),
        block=(32, 8, 1),
        stream=stream,
        occupancy=occupancy,
        cameras=cameras,
        silhouette=silhouette,
        argmax=argmax,
        depth=depth,
        height=height,
        width=width,
        rows=rows,
        columns=columns,
    )
    return silhouette, argmax


def voxel_perspective_backward(
    grad_silhouette: DeviceArray, argmax: DeviceArray, shape: tuple[int, int, int], *, stream: Any = None
) -> DeviceArray:
    """Gradient (B, D, H, W) float32 of the occupancy; ``shape`` is (D, H, W)."""
    check_array("grad_silhouette", grad_silhouette, ("B", "rows", "columns"), np.float32)
    check_array("argmax", argmax, grad_silhouette.shape, np.int32)
    device = one_device(grad_silhouette=grad_silhouette, argmax=argmax)
    batch, rows, columns = argmax.shape
    grad = device.filled((batch, *shape), np.float32, 0, stream)
    device.launch(
        "voxel_project",
        "voxel_perspective_backward",
        grid=(blocks(rows * columns, 256), batch, 1),
        block=_BLOCK,
        stream=stream,
        grad_silhouette=grad_silhouette,
        argmax=argmax,
        grad=grad,
        pixels=rows * columns,
        voxels=shape[0] * shape[1] * shape[2],
    )
    return grad
