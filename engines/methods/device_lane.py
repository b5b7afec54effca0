"""What a batch of one size needs on a device, made once: engines bound to buffers, tables, pinned memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.keypoints import NUM_POINTS
from engines.runtime.device_call import BoundEngine
from engines.runtime.engine import Engine
from kernels.device import Device, DeviceArray, DeviceMemoryError
from kernels.launch.agreement import CAMERA_FLOATS
from kernels.launch.lift import VIEW_FLOATS
from kernels.launch.skin import JOINTS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """A batch of ``people``; the trunk's is twice that where it sees their mirror images too."""

    people: int
    trunk: BoundEngine
    lifter: BoundEngine
    views: DeviceArray
    cameras: DeviceArray
    points: DeviceArray
    pose: DeviceArray
    translation: DeviceArray
    vertices: DeviceArray
    counts: DeviceArray
    host: dict[str, np.ndarray]
    """Pinned: what goes in (views, cameras, points that were parted) and what comes back."""


def make_lanes(
    trunk: Engine,
    lifter: Engine,
    device: Device,
    sizes: Iterable[int],
    *,
    views: int,
    vertices: int,
    stream: Any = None,
) -> dict[int, Lane]:
    """Lanes for ``sizes`` people, rising; ``views``: crops of each. Where memory ends, the last size is halved until it
    fits, with a warning. Raises DeviceMemoryError where not even one person fits."""
    lanes: dict[int, Lane] = {}
    for wanted in sizes:
        count = wanted
        while count > max(lanes, default=0):
            try:
                lanes[count] = _lane(trunk, lifter, device, count, views, vertices, stream)
            except DeviceMemoryError as error:
                if count == 1:
                    raise
                log.warning("no memory for batches of %d people, halving: %s", count, error)
                count //= 2
        if count < wanted:
            break
    return lanes


def _lane(trunk: Engine, lifter: Engine, device: Device, count: int, views: int, vertices: int, stream: Any) -> Lane:
    seeing, lifting = trunk.bind(views * count, device), lifter.bind(count, device)
    # The rows of a batch that nobody fills must hold numbers.
    for array in (*seeing.inputs.values(), *lifting.inputs.values()):
        device.fill(array, 0, stream)
    shapes: dict[str, tuple[int, ...]] = {
        "views": (count, VIEW_FLOATS),
        "cameras": (count, CAMERA_FLOATS),
        "points": (count, NUM_POINTS, 3),
        "pose": (count, JOINTS, 3),
        "translation": (count, 3),
    }
    made = {name: device.empty(shape, np.float32, stream) for name, shape in shapes.items()}
    counts = device.empty((count, 2), np.int32, stream)
    shapes |= {"betas": lifting.outputs["betas"].shape, "joints": (count, JOINTS, 3), "depth": (count, NUM_POINTS)}
    host = {name: device.pinned(shape, np.float32) for name, shape in shapes.items()}
    host["counts"] = device.pinned((count, 2), np.int32)
    skinned = device.empty((count, vertices, 3), np.float32, stream)
    return Lane(count, seeing, lifting, vertices=skinned, counts=counts, host=host, **made)
