"""A test pattern at the pace of a camera: bodies of the body model that walk on the spot and turn.

test:                                  640x480 at 30 fps, one body, for ever
test:seconds=3,fps=15,size=1280x720,people=2
"""

from __future__ import annotations

import difflib
import math
import time
from dataclasses import dataclass, fields

import cv2
import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.keypoints import JOINT_NAMES
from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.types import Frame

_LEVEL = 2
"""The coarsest mesh: a few hundred vertices are enough for a pattern and cheap to paint."""
_LIGHT = np.array([-0.4, -0.6, -0.7]) / np.linalg.norm([-0.4, -0.6, -0.7])
_COLOURS = ((224, 172, 105), (120, 170, 220), (150, 200, 130), (210, 140, 190))


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternConfig:
    """What follows `test:`."""

    width: int = 640
    height: int = 480
    fps: float = 30.0
    seconds: float | None = None
    """Length; None for ever."""
    people: int = 1

    def __post_init__(self) -> None:
        if not (16 <= self.width <= 8192 and 16 <= self.height <= 8192):
            raise ValueError(f"size is {self.width}x{self.height}, each side must be 16 to 8192 pixels")
        if not 0 < self.fps <= 1000:
            raise ValueError(f"fps is {self.fps}, it must be above 0 and at most 1000")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}, it must be above 0")
        if not 0 <= self.people <= 16:
            raise ValueError(f"people is {self.people}, it must be 0 to 16")

    @classmethod
    def parse(cls, text: str) -> PatternConfig:
        """`seconds=3,fps=30,size=640x480` -> config. Raises ValueError."""
        values: dict[str, float | int] = {}
        keys = ["size", *(f.name for f in fields(cls))]
        for item in filter(None, text.split(",")):
            key, _, value = item.partition("=")
            if key == "size":
                width, _, height = value.partition("x")
                values |= {"width": int(width), "height": int(height)}
            elif key in keys:
                values[key] = float(value) if key in ("fps", "seconds") else int(value)
            else:
                near = difflib.get_close_matches(key, keys, n=1)
                raise ValueError(
                    f"unknown key {key!r}" + (f", did you mean {near[0]}?" if near else f"; it takes {keys}")
                )
        return cls(**values)  # type: ignore[arg-type]


def create(rest: str, options: SourceOptions) -> PatternSource:
    try:
        config = PatternConfig.parse(rest)
    except ValueError as error:
        raise SourceError(f"source test:{rest}: {error}; for instance test:seconds=3,fps=30,size=640x480") from error
    return PatternSource(config, options)


class PatternSource(Source):
    """Frame i is due i / fps after the first; a frame that is late is delivered at once, none is left out."""

    delivery = Delivery.LATEST

    def __init__(self, config: PatternConfig, options: SourceOptions) -> None:
        super().__init__("test:", options)
        self.config = config
        self._index = 0
        self._started_s = 0.0

    def _open(self) -> None:
        self.fps = self.config.fps
        self._body = load_body()
        self._intrinsics = self.options.camera.for_size(self.config.width, self.config.height)

    def _next(self) -> Frame | None:
        pts_s = self._index / self.config.fps
        if self.config.seconds is not None and pts_s >= self.config.seconds:
            return None
        image = self.paint(pts_s)
        now_s = time.monotonic()
        if self._index == 0:
            self._started_s = now_s
        if self._stop.wait(max(0.0, self._started_s + pts_s - now_s)):
            return None
        self._index += 1
        return Frame(
            stream=self.stream,
            index=self._index - 1,
            image=image,
            capture_ns=time.monotonic_ns(),
            pts_s=pts_s,
            intrinsics=self._intrinsics,
        )

    def paint(self, time_s: float) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the picture at that time."""
        image = background(self.config.width, self.config.height)
        count = self.config.people
        for person in range(count):
            pose, place = motion(time_s, person, count)
            posed = self._body.forward(pose[None], np.zeros((1, 10), np.float32), place[None], level=_LEVEL)
            paint_body(image, posed.vertices[0], self._body, self._intrinsics, _COLOURS[person % len(_COLOURS)])
        return image


def motion(time_s: float, person: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pose (24, 3) radians and pelvis (3,) metres of one walker; neighbours are out of step."""
    phase = 2 * math.pi * (0.8 * time_s + person / 3)
    pose = np.zeros((24, 3), np.float32)
    turn = 0.6 * math.sin(0.5 * phase)
    facing = cv2.Rodrigues(np.array([math.pi, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, turn, 0]))[0]
    pose[0] = cv2.Rodrigues(facing)[0][:, 0]
    swing = 0.45 * math.sin(phase)
    for name, axis_angle in {
        "left_hip": (-swing, 0, 0), "right_hip": (swing, 0, 0),
        "left_knee": (max(0.0, 0.8 * math.sin(phase + 0.8)), 0, 0),
        "right_knee": (max(0.0, 0.8 * math.sin(phase + 0.8 + math.pi)), 0, 0),
        "left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2),
        "left_elbow": (0, -0.5 - 0.4 * math.sin(phase), 0), "right_elbow": (0, 0.5 - 0.4 * math.sin(phase), 0),
    }.items():  # fmt: skip
        pose[JOINT_NAMES.index(name)] = axis_angle
    across = (person - (count - 1) / 2) * 1.0 + 0.25 * math.sin(0.5 * phase)
    return pose, np.array([across, 0.05, 3.2 + 0.5 * (count - 1)], np.float32)


def background(width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8: a wall over a floor."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace((92, 98, 110), (150, 154, 160), height)[:, None]
    image[int(height * 0.78) :] = (96, 84, 74)
    return image


def paint_body(
    image: np.ndarray, vertices: np.ndarray, body: BodyModel, camera: Intrinsics, colour: tuple[int, int, int]
) -> None:
    """Draw the mesh into `image`, far triangles first. `vertices` (V, 3) metres, camera frame."""
    corners = vertices[body.faces[_LEVEL]]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    front = np.einsum("fc,fc->f", normals, corners[:, 0]) < 0
    shade = 0.35 + 0.65 * np.clip(normals @ _LIGHT, 0, 1)
    points = np.round(camera.project(corners) * 16 - 8).astype(np.int32)  # 4 fractional bits, pixel centres at .5
    for face in np.argsort(-corners[..., 2].mean(axis=1)):
        if front[face] and corners[face, :, 2].min() > 0.1:
            cv2.fillConvexPoly(image, points[face], [float(c * shade[face]) for c in colour], cv2.LINE_8, 4)
