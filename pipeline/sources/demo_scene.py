"""The room of the demo clip: a camera at rest, a floor of boards, a wall with a window and a picture, soft shadows."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from pipeline.raster import paint

PITCH_DEG = 7.0
"""How far the camera looks down, where nobody says otherwise."""
MAX_PITCH_DEG = 40.0
_AIM_M = 5.0
"""The camera turns about what it looks at, so far away from it."""
WALL_Z_M = -2.4
_SUN = np.array([-0.45, 1.0, 0.35])
"""World, towards the lamp."""
_SHADOW_SCALE = 4


@dataclass(frozen=True, slots=True)
class Room:
    """World: y up, floor at y = 0, the camera looks towards -z."""

    camera: Intrinsics
    size: tuple[int, int]
    background: np.ndarray
    """(H, W, 3) uint8."""
    rotation: np.ndarray
    """(3, 3) float32: world axes to camera axes."""
    position: np.ndarray
    """(3,) float32: the camera in the world."""

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> camera frame, metres."""
        return ((points - self.position) @ self.rotation.T).astype(np.float32)

    def picture(self, casters: list[np.ndarray], body: BodyModel) -> np.ndarray:
        """A new picture of the empty room with the shadows of bodies: coarsest-level vertices (V, 3), camera frame."""
        image = self.background.copy()
        if not casters:
            return image
        width, height = self.size
        mask = np.zeros((height // _SHADOW_SCALE, width // _SHADOW_SCALE), np.uint8)
        faces = body.faces[-1]
        for vertices in casters:
            world = vertices @ self.rotation + self.position
            ground = world - _SUN * (np.maximum(world[:, 1:2], 0) / _SUN[1])
            points = self.camera.project(self.to_camera(ground)).astype(np.float32) / _SHADOW_SCALE
            paint(mask, points[faces], np.full(len(faces), 255, np.uint8))
        soft = cv2.GaussianBlur(mask, (0, 0), 2.0)
        rows, columns = np.flatnonzero(soft.any(axis=1)), np.flatnonzero(soft.any(axis=0))
        if len(rows) == 0:
            return image
        part = soft[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        y, x = rows[0] * _SHADOW_SCALE, columns[0] * _SHADOW_SCALE
        dark = cv2.resize(part, None, fx=_SHADOW_SCALE, fy=_SHADOW_SCALE, interpolation=cv2.INTER_LINEAR)
        region = image[y : y + dark.shape[0], x : x + dark.shape[1]]
        light = 255 - (dark // 5) * 2
        cv2.multiply(region, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=region, scale=1 / 255)
        return image


def _behind(pitch_deg: float) -> np.ndarray:
    """(3,) from what the camera looks at to the camera, world, metres."""
    pitch = math.radians(pitch_deg)
    return _AIM_M * np.array([0, math.sin(pitch), math.cos(pitch)])


_AIM = np.array([0, 1.45, 4.4]) - _behind(PITCH_DEG)
"""World: what the camera looks at. Where nobody says otherwise, it is 1.45 m high, 4.4 m from the middle."""


@functools.cache
def make_room(width: int, height: int, fov_deg: float, pitch_deg: float) -> Room:
    """The room seen by a camera with that picture size and horizontal field of view, which looks down by so much."""
    camera = Intrinsics.from_fov(width, height, fov_deg)
    pitch = math.radians(pitch_deg)
    tilt = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    rotation = (tilt @ np.diag([1.0, -1.0, -1.0])).astype(np.float32)
    position = (_AIM + _behind(pitch_deg)).astype(np.float32)
    # Painted at twice the size and reduced: smooth edges.
    x = (np.arange(2 * width, dtype=np.float32) + 0.5) / 2
    y = (np.arange(2 * height, dtype=np.float32) + 0.5) / 2
    colour = np.empty((len(y), len(x), 3), np.float32)
    for row, v in enumerate(y):  # one line at a time stays in the processor's cache
        rays = np.stack(
            [(x - camera.cx) / camera.fx, np.full_like(x, (v - camera.cy) / camera.fy), np.ones_like(x)], -1
        )
        colour[row] = _colour_along((rays @ rotation).astype(np.float32), position)
    image = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
    u, v = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    vignette = 1 - 0.55 * np.hypot((u - camera.cx) / width, (v - camera.cy) / width) ** 2
    image = (image * vignette[..., None]).clip(0, 1) * 255
    return Room(camera, (width, height), image.astype(np.uint8), rotation, position)


def _colour_along(rays: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """(N, 3) world directions -> (N, 3) colours 0..1 of the wall or floor that they meet."""
    to_wall = (WALL_Z_M - origin[2]) / np.minimum(rays[:, 2], -1e-3)
    to_floor = np.where(rays[:, 1] < -1e-3, -origin[1] / np.minimum(rays[:, 1], -1e-3), np.float32(np.inf))
    floor = to_floor < to_wall
    place = origin + rays * np.minimum(to_wall, to_floor)[:, None]
    out = np.empty((len(rays), 3), np.float32)
    out[floor] = _floor(place[floor])
    out[~floor] = _wall(place[~floor])
    return out


def _floor(p: np.ndarray) -> np.ndarray:
    board = np.floor(p[..., 0] / 0.14)
    along = p[..., 2] + 0.61 * (board % 3)
    plank = np.floor(along / 1.3)
    tone = 0.85 + 0.22 * _hash(board, plank)
    grain = 0.05 * np.sin(160 * p[..., 0] + 3 * np.sin(4 * along + 9 * _hash(board, plank)))
    seam = (np.abs(p[..., 0] / 0.14 - board - 0.5) > 0.485) | (np.abs(along / 1.3 - plank - 0.5) > 0.497)
    return np.where(seam, np.float32(0.55), tone + grain)[..., None] * np.array((0.62, 0.47, 0.33), np.float32)


def _wall(p: np.ndarray) -> np.ndarray:
    x, y = p[..., 0], p[..., 1]
    stain = 0.02 * np.sin(2.1 * x + 0.7) * np.sin(3.3 * y) + 0.03 * (y - 1.2) - 0.035 * x
    out = (0.78 + stain)[..., None] * np.array((1.0, 0.97, 0.90), np.float32)
    out[y < 0.09] = (0.86, 0.85, 0.82)

    window_x, window_y = np.abs(x + 2.3), np.abs(y - 1.75)
    out[(window_x < 0.70) & (window_y < 0.83)] = (0.9, 0.9, 0.88)
    pane = (window_x < 0.62) & (window_y < 0.75) & (window_x > 0.03) & (window_y > 0.03)
    hill = 1.45 + 0.12 * np.sin(3 * x) + 0.05 * np.sin(11 * x)
    out[pane] = (0.62, 0.80, 0.93)
    out[pane & (y < hill)] = (0.33, 0.45, 0.27)

    picture_x, picture_y = np.abs(x - 1.0), np.abs(y - 1.95)
    out[(picture_x < 0.36) & (picture_y < 0.28)] = (0.16, 0.13, 0.11)
    art = (picture_x < 0.32) & (picture_y < 0.24)
    u, v = x[art], y[art]
    out[art] = np.stack([0.5 + 0.4 * np.sin(7 * u + 5 * v), 0.4 + 0.2 * np.sin(9 * v), 0.5 + 0.3 * np.cos(6 * u)], -1)

    cupboard = (np.abs(x - 2.6) < 0.6) & (y < 1.25)
    u, v = x[cupboard] - 2.6, y[cupboard]
    wood = (0.42 + 0.03 * np.sin(90 * u + 2 * np.sin(6 * v)))[:, None] * np.array((1.0, 0.78, 0.55))
    gap = (np.abs(u) < 0.008) | (np.abs(v - 0.62) < 0.008) | (np.abs(np.abs(u) - 0.59) < 0.012)
    wood[gap] = (0.2, 0.15, 0.1)
    out[cupboard] = wood
    return out


def _hash(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.modf(np.abs(np.sin(a * 12.9898 + b * 78.233) * 43758.5453))[0]
