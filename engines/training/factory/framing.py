"""Random cameras, and where in their picture a person stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engines.camera import Intrinsics
from engines.keypoints import JOINT_NAMES, NUM_COCO
from engines.training.factory.cropview import inside

Framing = Literal["whole", "cut", "webcam"]
PICTURE_SIZES = ((1280, 720), (1920, 1080), (640, 480), (720, 1280), (1080, 1920), (960, 720), (480, 640))
_NECK = NUM_COCO + JOINT_NAMES.index("neck")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """A camera above a floor."""

    intrinsics: Intrinsics
    size: tuple[int, int]
    """Width and height of the picture, pixels."""
    rotation: np.ndarray
    """(3, 3): world (y up; the camera looks along -z when level) to camera frame."""


def camera_rotation(pitch: float, roll: float) -> np.ndarray:
    """World (y up) to camera frame (y down, z forward); pitch > 0 looks down, roll > 0 turns the picture's content
    clockwise; radians. A person facing +z in the world faces a level camera."""
    c, s = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]) @ tilt @ np.diag([1.0, -1.0, -1.0])


def yaw_rotation(yaw: float) -> np.ndarray:
    """(3, 3): turn about the world's y axis."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def draw_framing(rng: np.random.Generator) -> Framing:
    return ("whole", "cut", "webcam")[rng.choice(3, p=[0.58, 0.2, 0.22])]  # type: ignore[return-value]


def draw_camera(framing: Framing, rng: np.random.Generator, *, level: bool = False) -> Camera:
    """Vertical field of view 40-75 degrees mostly, pitch -20 to 45 degrees, little roll; ``level``: 55, 0 and 0."""
    size = PICTURE_SIZES[rng.integers(3 if framing == "webcam" else len(PICTURE_SIZES))]
    fov = rng.uniform(40, 75) if rng.random() < 0.85 else rng.uniform(25, 95)
    fov = 55.0 if level else fov
    focal = 0.5 * size[1] / np.tan(np.radians(fov) / 2)
    source = Intrinsics(fx=focal, fy=focal, cx=size[0] / 2, cy=size[1] / 2)
    if framing == "webcam":
        pitch = rng.normal(2, 9)
    else:
        pitch = rng.normal(5, 8) if rng.random() < 0.6 else rng.uniform(-20, 45)
    roll = rng.normal(0, 3 if rng.random() < 0.9 else 15)
    pitch, roll = (0.0, 0.0) if level else (pitch, roll)
    return Camera(intrinsics=source, size=size, rotation=camera_rotation(np.radians(pitch), np.radians(roll)))


def place(points: np.ndarray, camera: Camera, framing: Framing, rng: np.random.Generator) -> np.ndarray | None:
    """Points (41, 3) of a person about its pelvis, camera axes -> translation (3,) of the pelvis, or None if the few
    attempts made do not fit the framing."""
    width, height = camera.size
    for _ in range(30):
        if framing == "webcam":
            anchor, z = points[_NECK], rng.uniform(0.45, 1.5)
            target = rng.uniform((0.25 * width, 0.3 * height), (0.75 * width, 0.8 * height))
        else:
            anchor, z = np.zeros(3), np.exp(rng.uniform(np.log(1.2), np.log(9.0)))
            margin = 0.1 if framing == "whole" else -0.1
            target = rng.uniform((margin * width, margin * height), ((1 - margin) * width, (1 - margin) * height))
        ray = np.array([(target[0] - camera.intrinsics.cx) / camera.intrinsics.fx,
                        (target[1] - camera.intrinsics.cy) / camera.intrinsics.fy, 1.0])  # fmt: skip
        translation = z * ray - anchor
        placed = points + translation
        if placed[:, 2].min() < 0.2:
            continue
        pixels = camera.intrinsics.project(placed)
        seen = inside(pixels, camera.size)
        count = int(seen[:NUM_COCO].sum())
        if framing == "whole" and not seen.all():
            continue
        if framing == "cut" and not (8 <= count <= 16 and seen[5:13].sum() >= 3):
            continue
        if framing == "webcam" and not (count >= 7 and seen[_NECK] and seen[:5].sum() >= 3):
            continue
        spread = np.ptp(pixels[seen], axis=0).max()
        if spread < 70:
            continue
        return translation.astype(np.float32)
    return None
