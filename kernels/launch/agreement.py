"""Agreement of posed bodies with a segmentation on a device; the CPU path is `kernels.silhouette`."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import DeviceArray

MOST_CELLS = 96
CAMERA_FLOATS = 7
"""Per body: fx, fy, cx, cy, left and top of the crop in source pixels, cells per source pixel."""


def agreement(
    vertices: DeviceArray, cameras: DeviceArray, parts: DeviceArray, counts: DeviceArray, *, stream: Any = None
) -> None:
    """Vertices (B, V, 3) in ``cameras`` (B, 7) against ``parts`` (B, P, C, C) -> ``counts`` (B, 2) int32: cells of the
    intersection and of the union. Part 0 is the background; C at most 96. Raises TypeError or ValueError."""
    check_array("vertices", vertices, ("B", "V", 3), np.float32)
    count = vertices.shape[0]
    check_array("parts", parts, (count, "P", "C", "C"), np.float32)
    cells = parts.shape[2]
    if parts.shape[3] != cells or not 1 <= cells <= MOST_CELLS or parts.shape[1] < 2:
        raise ValueError(f"parts must be (B, 2 or more, C, C) with C from 1 to {MOST_CELLS}, got {parts.shape}")
    check_array("cameras", cameras, (count, CAMERA_FLOATS), np.float32)
    check_array("counts", counts, (count, 2), np.int32)
    one_device(vertices=vertices, cameras=cameras, parts=parts, counts=counts).launch(
        "agreement",
        "agreement",
        grid=(count, 1, 1),
        block=(256, 1, 1),
        stream=stream,
        vertices=vertices,
        cameras=cameras,
        parts=parts,
        counts=counts,
        vertex_count=vertices.shape[1],
        part_count=parts.shape[1],
        cells=cells,
    )
