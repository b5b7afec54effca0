"""Depth, silhouette and normals of meshes on a device; the CPU path is `kernels.raster.raster`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import DeviceArray, blocks
from kernels.raster import NEAR_M


@dataclass(frozen=True, slots=True)
class DevicePictures:
    """As `kernels.raster.Pictures`, on the device."""

    depth: DeviceArray
    silhouette: DeviceArray
    normals: DeviceArray


def raster(
    vertices: DeviceArray,
    faces: DeviceArray,
    cameras: DeviceArray,
    size: tuple[int, int],
    near: float = NEAR_M,
    *,
    stream: Any = None,
) -> DevicePictures:
    """B meshes ``vertices`` (B, V, 3) float32, ``faces`` (F, 3) int32, seen by ``cameras`` (B, 4) float32.

    size: (width, height), pixels. Every face index must be below V: on the device nobody checks. Raises TypeError or
    ValueError on other types and shapes.
    """
    check_array("vertices", vertices, ("B", "V", 3), np.float32)
    check_array("faces", faces, ("F", 3), np.int32)
    batch, vertex_count, _ = vertices.shape
    check_array("cameras", cameras, (batch, 4), np.float32)
    device = one_device(vertices=vertices, faces=faces, cameras=cameras)
    columns, rows = size
    if columns < 1 or rows < 1 or not near > 0:
        raise ValueError(f"pictures must have at least one pixel and near be positive, got {size} and {near}")
    nearest = device.filled((batch, rows, columns), np.uint64, 0xFF, stream)
    device.launch(
        "raster",
        "raster_draw",
        grid=(blocks(faces.shape[0], 128), batch, 1),
        block=(128, 1, 1),
        stream=stream,
        vertices=vertices,
        faces=faces,
        cameras=cameras,
        nearest=nearest,
        near=near,
        vertex_count=vertex_count,
        face_count=faces.shape[0],
        rows=rows,
        columns=columns,
    )
    out = DevicePictures(
        device.empty((batch, rows, columns), np.float32, stream),
        device.empty((batch, rows, columns), np.uint8, stream),
        device.empty((batch, rows, columns, 3), np.float32, stream),
    )
    device.launch(
        "raster",
        "raster_resolve",
        grid=(blocks(rows * columns, 256), batch, 1),
        block=(256, 1, 1),
        stream=stream,
        vertices=vertices,
        faces=faces,
        nearest=nearest,
        depth=out.depth,
        silhouette=out.silhouette,
        normals=out.normals,
        vertex_count=vertex_count,
        pixels=rows * columns,
    )
    return out
