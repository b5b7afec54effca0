"""Closed meshes to occupancy grids on a device; the CPU path is `kernels.voxelize.voxelize`, mesh by mesh."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import DeviceArray, blocks


def voxelize(
    vertices: DeviceArray,
    faces: DeviceArray,
    *,
    origin: np.ndarray,
    voxel_size: np.ndarray | float,
    shape: tuple[int, int, int],
    stream: Any = None,
) -> DeviceArray:
    """Occupancy (B, D, H, W) uint8, 1 inside, of B meshes ``vertices`` (B, V, 3) float32 with ``faces`` (F, 3) int32.

    origin (3,) or (B, 3) and voxel_size are host values, as in the CPU path. Every face index must be below V: on the
    device nobody checks. Raises TypeError or ValueError on other types and shapes.
    """
    check_array("vertices", vertices, ("B", "V", 3), np.float32)
    check_array("faces", faces, ("F", 3), np.int32)
    device = one_device(vertices=vertices, faces=faces)
    batch, vertex_count, _ = vertices.shape
    depth, height, width = shape
    grids = np.empty((batch, 4))
    grids[:, :3], grids[:, 3] = origin, voxel_size
    if not np.isfinite(grids).all() or not (grids[:, 3] > 0).all() or min(shape) < 1:
        raise ValueError(
            f"origin must be finite, voxel_size positive and shape at least 1, got {origin}, {voxel_size}, {shape}"
        )
    crossings = device.filled((batch, blocks(depth, 32), height, width), np.uint32, 0, stream)
    device.launch(
        "voxelize",
        "voxelize_cross",
        grid=(blocks(faces.shape[0], 128), batch, 1),
        block=(128, 1, 1),
        stream=stream,
        vertices=vertices,
        faces=faces,
        grids=device.upload(grids, stream),
        crossings=crossings,
        vertex_count=vertex_count,
        face_count=faces.shape[0],
        depth=depth,
        height=height,
        width=width,
    )
    occupancy = device.empty((batch, depth, height, width), np.uint8, stream)
    device.launch(
        "voxelize",
        "voxelize_fill",
        grid=(blocks(height * width, 4 * 128), batch, 1),
        block=(128, 1, 1),
        stream=stream,
        crossings=crossings,
        occupancy=occupancy,
        depth=depth,
        columns=height * width,
    )
    return occupancy
