"""Around the lifting network on a device; the CPU path is `engines.methods.bilayer` (prepare, finish)."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernels.check import check_array, one_device
from kernels.device import DeviceArray, blocks

POINTS, LANDMARKS, JOINTS = 41, 17, 24
VIEW_FLOATS = 17
"""Per crop: rotation source -> virtual camera (3, 3), tangent of half the opening, fx, fy, cx, cy of the source camera,
left and top of the crop in source pixels, source pixels per crop pixel."""


def lift_prepare(
    points: DeviceArray,
    depth: DeviceArray,
    views: DeviceArray,
    inputs: DeviceArray,
    camera: DeviceArray,
    *,
    min_confidence: float,
    opening: tuple[float, float],
    stream: Any = None,
) -> None:
    """Points (B, 41, 3) of crops and their depths (B, 41) -> the network's ``inputs`` (B, 41, 5) and ``camera`` (B, 1).

    views: (B, 17), see `VIEW_FLOATS`. All float32. Raises TypeError or ValueError.
    """
    check_array("points", points, ("B", POINTS, 3), np.float32)
    count = points.shape[0]
    check_array("depth", depth, (count, POINTS), np.float32)
    check_array("views", views, (count, VIEW_FLOATS), np.float32)
    check_array("inputs", inputs, (count, POINTS, 5), np.float32)
    check_array("camera", camera, (count, 1), np.float32)
    one_device(points=points, depth=depth, views=views, inputs=inputs, camera=camera).launch(
        "lift",
        "lift_prepare",
        grid=(blocks(count * POINTS, 128), 1, 1),
        block=(128, 1, 1),
        stream=stream,
        points=points,
        depth=depth,
        views=views,
        inputs=inputs,
        camera=camera,
        min_confidence=min_confidence,
        opening_low=opening[0],
        opening_high=opening[1],
        crop_count=count,
    )


def lift_finish(
    outputs: dict[str, DeviceArray],
    inputs: DeviceArray,
    views: DeviceArray,
    pose: DeviceArray,
    translation: DeviceArray,
    *,
    stream: Any = None,
) -> None:
    """What the network says -> ``pose`` (B, 24, 3) and ``translation`` (B, 3) in the source cameras.

    outputs: `rotations` (B, 24, 3, 3), `placement` (B, 3), `landmarks` (B, 17, 3), `joints` (B, 24, 3), virtual camera;
    inputs: (B, 41, 5) of `lift_prepare`. All float32. Raises TypeError or ValueError.
    """
    check_array("inputs", inputs, ("B", POINTS, 5), np.float32)
    count = inputs.shape[0]
    wanted = {
        "rotations": (count, JOINTS, 3, 3),
        "placement": (count, 3),
        "landmarks": (count, LANDMARKS, 3),
        "joints": (count, JOINTS, 3),
    }
    read = {name: outputs[name] for name in wanted}
    for name, shape in wanted.items():
        check_array(name, read[name], shape, np.float32)
    check_array("views", views, (count, VIEW_FLOATS), np.float32)
    check_array("pose", pose, (count, JOINTS, 3), np.float32)
    check_array("translation", translation, (count, 3), np.float32)
    one_device(inputs=inputs, views=views, pose=pose, translation=translation, **read).launch(
        "lift",
        "lift_finish",
        grid=(count, 1, 1),
        block=(32, 1, 1),
        stream=stream,
        **read,
        inputs=inputs,
        views=views,
        pose=pose,
        translation=translation,
    )
