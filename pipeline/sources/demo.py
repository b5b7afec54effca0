"""`demo`, `demo:seconds=8,people=2`: a clip rendered from the body model and motion capture, with known truth.

People in a room, 1280 x 720 at 30 frames/s: one wipes a window, one crosses in front and comes back, a third strolls
behind. With `pitch=25` the camera looks down on them by so many degrees. The same frame always looks the same.
`DemoSource.truth` gives the bodies that were drawn.
"""

from __future__ import annotations

import time
from dataclasses import replace

import cv2
import numpy as np

from engines.body import BodyModel, load_body
from engines.body.rotations import rotation_matrices, rotation_vectors
from pipeline.errors import SourceError
from pipeline.sources.base import Delivery, Source, SourceOptions
from pipeline.sources.demo_motion import FPS, Motion, load_motions
from pipeline.sources.demo_people import DressedPerson, Outfit
from pipeline.sources.demo_scene import MAX_PITCH_DEG, PITCH_DEG, make_room
from pipeline.truth import TrueBody
from pipeline.types import Frame

WIDTH, HEIGHT, FOV_DEG = 1280, 720, 55.0
MAX_PEOPLE = 3
_LEG_M = 0.811
"""Hip to ankle of the body that the motion's places belong to."""
_NOISE_LEVELS = 3.0

_OUTFITS = (
    Outfit(skin=(0.80, 0.60, 0.49), hair=(0.20, 0.13, 0.09), shirt=(0.16, 0.33, 0.55), trousers=(0.27, 0.26, 0.28),
           shoes=(0.15, 0.13, 0.13)),
    Outfit(skin=(0.52, 0.36, 0.27), hair=(0.07, 0.06, 0.06), shirt=(0.72, 0.20, 0.17), trousers=(0.22, 0.30, 0.46),
           shoes=(0.80, 0.78, 0.74), stripes=True),
    Outfit(skin=(0.86, 0.68, 0.57), hair=(0.45, 0.31, 0.16), shirt=(0.44, 0.52, 0.36), trousers=(0.52, 0.45, 0.36),
           shoes=(0.33, 0.20, 0.12), long_sleeves=True),
)  # fmt: skip
_SHAPES = ((0.4, -0.5, 0.3), (0.3, 0.5, -0.4), (0.2, 0.6, -0.6))
_ROLES: tuple[tuple[str, float, tuple[float, float]], ...] = (
    ("stay", -0.15, (-0.45, -0.35)),
    ("cross", 0.0, (-2.5, 0.55)),
    ("stroll", 0.4, (1.25, -1.6)),
)
"""Motion, heading in radians, place on the floor (x, z) where it begins."""


def create(rest: str, options: SourceOptions) -> DemoSource:
    """`rest` is `key=value,...` with `seconds`, `people` and `pitch`."""
    seconds, people, pitch_deg = 10.0, 2, PITCH_DEG
    for item in filter(None, rest.split(",")):
        key, _, value = item.partition("=")
        try:
            if key == "seconds":
                seconds = float(value)
            elif key == "people":
                people = int(value)
            elif key == "pitch":
                pitch_deg = float(value)
            else:
                raise SourceError(f"source demo:{rest}: there is no option {key!r}; use seconds, people and pitch")
        except ValueError as error:
            raise SourceError(f"source demo:{rest}: {key} is {value!r}, it must be a number") from error
    if not 0 < seconds <= 3600:
        raise SourceError(f"source demo:{rest}: seconds is {seconds:g}, it must be above 0 and at most 3600")
    if not 0 <= people <= MAX_PEOPLE:
        raise SourceError(f"source demo:{rest}: people is {people}, it must be 0 to {MAX_PEOPLE}")
    if not 0 <= pitch_deg <= MAX_PITCH_DEG:
        raise SourceError(f"source demo:{rest}: pitch is {pitch_deg:g}, it must be 0 to {MAX_PITCH_DEG:g} degrees")
    return DemoSource(options, seconds=seconds, people=people, pitch_deg=pitch_deg)


class DemoSource(Source):
    """See the module."""

    delivery = Delivery.BLOCK

    def __init__(
        self, options: SourceOptions, *, seconds: float = 10.0, people: int = 2, pitch_deg: float = PITCH_DEG
    ) -> None:
        tilt = "" if pitch_deg == PITCH_DEG else f",pitch={pitch_deg:g}"
        super().__init__(f"demo:seconds={seconds:g},people={people}{tilt}", options)
        self.frame_count = max(1, round(seconds * FPS))
        self._people, self._pitch_deg = people, pitch_deg
        self._index = 0
        self.fps = FPS

    def truth(self, frame_index: int) -> list[TrueBody]:
        """The bodies that stand in frame ``frame_index``, also those outside the picture; needs `open` before."""
        return [actor.at(frame_index) for actor in self._actors]

    def picture(self, frame_index: int) -> np.ndarray:
        """(720, 1280, 3) uint8 RGB: the picture of a frame."""
        bodies = sorted(
            zip(self._actors, self.truth(frame_index), strict=True), key=lambda pair: -pair[1].translation[2]
        )
        fine = [(actor, self._body.forward(b.pose, b.betas, b.translation).vertices) for actor, b in bodies]
        coarse = [self._body.downsample(vertices, 0, 2)[0] for _, vertices in fine]
        image = self._room.picture(coarse, self._body)
        for actor, vertices in fine:
            actor.person.render(image, vertices[0], self._room.camera)
        # Sensor noise: a fixed field, shifted differently in every frame.
        shift = np.random.default_rng(frame_index).integers(0, 64, 2)
        noise = self._noise[shift[0] : shift[0] + HEIGHT, shift[1] : shift[1] + WIDTH]
        return cv2.add(image, noise, dtype=cv2.CV_8U)

    def _open(self) -> None:
        self._body = load_body()
        self._room = make_room(WIDTH, HEIGHT, FOV_DEG, self._pitch_deg)
        motions = load_motions()
        self._actors = [
            _Actor(
                self._body, motions[motion], heading, place, outfit, shape, self._room.rotation, self._room.to_camera
            )
            for (motion, heading, place), outfit, shape in zip(_ROLES, _OUTFITS, _SHAPES, strict=True)
        ][: self._people]
        rng = np.random.default_rng(7)
        self._noise = np.round(rng.normal(0, _NOISE_LEVELS, (HEIGHT + 64, WIDTH + 64, 3))).astype(np.int8)
        self._started_s = time.monotonic()

    def _next(self) -> Frame | None:
        index = self._index
        if index >= self.frame_count:
            return None
        self._index += 1
        image = self.picture(index)
        if self.options.realtime:
            self._stop.wait(max(0.0, self._started_s + index / FPS - time.monotonic()))
        option = self.options.camera
        camera = option.for_size(WIDTH, HEIGHT)
        if camera.assumed:  # nobody said otherwise, and this camera is known
            camera = replace(self._room.camera, assumed=False)
        return Frame(
            stream=self.stream, index=index, image=image, capture_ns=time.monotonic_ns(), pts_s=index / FPS,
            intrinsics=camera,
        )  # fmt: skip


class _Actor:
    """One person with a motion and a place in the room."""

    def __init__(
        self, body: BodyModel, motion: Motion, heading: float, place: tuple[float, float], outfit: Outfit,
        shape: tuple[float, ...], rotation: np.ndarray, to_camera,
    ) -> None:  # fmt: skip
        self._body, self._motion, self._to_camera = body, motion, to_camera
        self._betas = np.zeros(body.num_betas, np.float32)
        self._betas[: len(shape)] = shape
        self.person = DressedPerson(body, self._betas, outfit)
        turn = rotation_matrices(np.array([[0.0, heading, 0.0]], np.float32))[0]
        self._root = rotation @ turn
        rest = body.joints_rest(self._betas)[0]
        scale = (rest[1, 1] - rest[7, 1]) / _LEG_M
        start = motion.place[0] * (1, 0, 1)
        self._places = (motion.place - start) * scale @ turn.T + (place[0], 0, place[1])
        self._loops = np.linalg.norm(motion.place[-1] - motion.place[0]) < 0.2 and np.ptp(motion.place[:, 0]) > 2

    def at(self, frame_index: int) -> TrueBody:
        """The body in a frame: the motion repeats, or runs to and fro where its end does not meet its beginning."""
        count = len(self._motion)
        step = frame_index % count if self._loops else (count - 1) - abs((count - 1) - frame_index % (2 * count - 2))
        pose = self._motion.pose[step].astype(np.float32).copy()
        pose[0] = rotation_vectors((self._root @ rotation_matrices(pose[:1])[0])[None])[0]
        translation = self._to_camera(self._places[step])
        joints = self._body.joints(pose, self._betas, translation)[0]
        return TrueBody(pose=pose, betas=self._betas, translation=translation, joints=joints)
