"""One synthetic photograph: people, things, light, camera and background, with what is true about its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from engines.body import BodyModel
from engines.training.factory.backgrounds import colour_jitter, procedural, random_patch
from engines.training.factory.codec import decode_rgb
from engines.training.factory.cropview import CropView, label_points, point_box, view_around
from engines.training.factory.framing import Camera, Framing, draw_camera, draw_framing, place, yaw_rotation
from engines.training.factory.materials import random_pattern
from engines.training.factory.occluders import draw_occluder
from engines.training.factory.photograph import photograph
from engines.training.factory.poses import PoseLibrary, heading, turned
from engines.training.factory.renderer import OCCLUDER_ID, SUPERSAMPLING, Drawing, Lighting, Rendered, Renderer
from engines.training.factory.shards import CROP_PX, PARTS_PX, SynthSample
from engines.training.factory.wardrobe import Wardrobe

TARGET_ID = 1

Factor = Literal["clothes", "light", "sensor", "occlusion", "truncation", "background", "view"]
"""What pictures differ in, beside the body and its pose."""
FACTORS: tuple[Factor, ...] = get_args(Factor)
GREY = 128


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """A body in camera axes with its pelvis at the origin."""

    pose: np.ndarray
    """(24, 3)."""
    betas: np.ndarray
    """(10,)."""
    joints: np.ndarray
    """(24, 3)."""
    landmarks: np.ndarray
    """(17, 3)."""
    transforms: np.ndarray
    """(24, 4, 4)."""

    @property
    def points(self) -> np.ndarray:
        """(41, 3), order of `engines.keypoints.POINT_NAMES`."""
        return np.concatenate([self.landmarks, self.joints])

    def skinning(self, translation: np.ndarray) -> np.ndarray:
        """(24, 4, 4) with the pelvis at `translation`."""
        out = self.transforms.copy()
        out[:, :3, 3] += translation
        return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Studio:
    """What pictures are made of."""

    body: BodyModel
    poses: PoseLibrary
    wardrobe: Wardrobe
    renderer: Renderer
    backgrounds: Sequence[np.ndarray]
    """JPEG bytes each."""
    without: frozenset[Factor] = frozenset()
    """What is the same in every picture: bare skin, light from the camera, a clean sensor, nothing in front, whole
    bodies, a grey wall, a level camera of one field of view. For ablations."""

    def shoot(self, rng: np.random.Generator) -> SynthSample:
        """Render one sample; the same generator state gives the same sample."""
        target, camera, translation = self._placed_target(rng)
        points = target.points + translation
        view = view_around(camera.intrinsics.project(points), camera.intrinsics, camera.size, rng)
        photo = decode_rgb(self.backgrounds[int(rng.integers(len(self.backgrounds)))])
        drawings = self._dress(target, translation, TARGET_ID, photo, rng)
        if "occlusion" not in self.without:
            drawings += self._obstacles(points, translation, camera, photo, rng)
        backdrop = self._backdrop(photo, rng)
        lighting = frontal_light(camera) if "light" in self.without else draw_lighting(camera, backdrop, rng)
        rendered = self.renderer.render(drawings, view.intrinsics, lighting)
        image = compose(rendered.rgba, backdrop)
        if "sensor" not in self.without:
            image = photograph(image, view.side, rng)
        return finish(image, rendered, target, translation, view)

    def _placed_target(self, rng: np.random.Generator) -> tuple[Figure, Camera, np.ndarray]:
        while True:
            framing: Framing = "whole" if "truncation" in self.without else draw_framing(rng)
            camera = draw_camera(framing, rng, level="view" in self.without)
            figure = self._figure(framing, camera, rng)
            translation = place(figure.points, camera, framing, rng)
            if translation is not None:
                return figure, camera, translation

    def _figure(self, framing: Framing, camera: Camera, rng: np.random.Generator) -> Figure:
        if framing == "webcam":
            pose = self.poses.draw_upright(rng)
            yaw = rng.normal(0, np.radians(35)) - heading(pose[0])
        else:
            pose = self.poses.draw_seated(rng) if rng.random() < 0.06 else self.poses.draw(rng)
            yaw = rng.uniform(-np.pi, np.pi)
        pose[0] = turned(pose[0], camera.rotation @ yaw_rotation(yaw))
        betas = np.clip(rng.normal(0, 1.0 if rng.random() < 0.95 else 1.6, self.body.num_betas), -2.5, 2.5)
        posed = self.body.forward(pose, betas, np.zeros(3))
        return Figure(
            pose=pose,
            betas=betas.astype(np.float32),
            joints=posed.joints[0],
            landmarks=self.body.coco(posed.vertices)[0],
            transforms=posed.transforms[0],
        )

    def _obstacles(
        self, points: np.ndarray, translation: np.ndarray, camera: Camera, photo: np.ndarray, rng: np.random.Generator
    ) -> list[Drawing]:
        """Other people, and things in front of the target's points (41, 3)."""
        drawings = []
        for person in range(rng.choice(3, p=[0.68, 0.23, 0.09])):
            drawings += self._bystander(translation, camera, TARGET_ID + 1 + person, photo, rng)
        for _ in range(rng.choice(3, p=[0.77, 0.17, 0.06])):
            cloth = random_pattern(random_patch(photo, 128, rng, 0.2), rng)
            drawings.append(draw_occluder(points, cloth, rng))
        return drawings

    def _bystander(
        self, translation: np.ndarray, camera: Camera, person: int, photo: np.ndarray, rng: np.random.Generator
    ) -> list[Drawing]:
        """Another person on about the same floor, near enough to overlap but not inside the target."""
        figure = self._figure("whole", camera, rng)
        angle, distance = rng.uniform(-np.pi, np.pi), rng.uniform(0.55, 1.9)
        offset = camera.rotation @ np.array([distance * np.cos(angle), rng.normal(0, 0.05), distance * np.sin(angle)])
        place_at = (translation + offset).astype(np.float32)
        if (figure.points + place_at)[:, 2].min() < 0.35:
            return []
        return self._dress(figure, place_at, person, photo, rng)

    def _dress(
        self, figure: Figure, translation: np.ndarray, person: int, photo: np.ndarray, rng: np.random.Generator
    ) -> list[Drawing]:
        pattern = random_pattern(random_patch(photo, 128, rng, 0.2), rng)
        clothed = "clothes" not in self.without
        return self.wardrobe.dress(figure.betas, figure.skinning(translation), person, pattern, rng, clothed=clothed)

    def _backdrop(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if "background" in self.without:
            return np.full((CROP_PX, CROP_PX, 3), GREY, np.uint8)
        if rng.random() < 0.08:
            return procedural(CROP_PX, rng)
        backdrop = colour_jitter(random_patch(photo, CROP_PX, rng), rng)
        if rng.random() < 0.35:
            backdrop = cv2.GaussianBlur(backdrop, (0, 0), rng.uniform(0.6, 5))
        return backdrop


def frontal_light(camera: Camera) -> Lighting:
    """White, from the camera."""
    return Lighting(
        direction=np.array([0.0, 0.0, -1.0]),
        light=(0.6, 0.6, 0.6),
        ambient=(0.5, 0.5, 0.5),
        up=camera.rotation @ np.array([0.0, 1.0, 0.0]),
    )


def draw_lighting(camera: Camera, backdrop: np.ndarray, rng: np.random.Generator) -> Lighting:
    """A light from anywhere above or level, a sky; colours from candle to shade, half of them as in the backdrop."""
    direction = rng.normal(size=3)
    direction[1] = abs(direction[1]) * 0.9 - 0.1
    direction[2] += 0.5  # more often from the camera's side
    direction = camera.rotation @ (direction / np.linalg.norm(direction))
    warmth = rng.normal(0, 0.1)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    if rng.random() < 0.5:
        mean = (backdrop.reshape(-1, 3).mean(axis=0) / 255) ** 2.2
        tint = tint * np.clip(mean / 0.2, 0.3, 1.6) ** rng.uniform(0.3, 0.9)
    ambient = rng.uniform(0.25, 0.8)
    light = tint * rng.uniform(0.4, 1.5) * (1.1 - ambient)
    return Lighting(
        direction=direction,
        light=tuple(map(float, light)),  # type: ignore[arg-type]
        ambient=tuple(map(float, ambient * tint * rng.normal(1, 0.05, 3))),  # type: ignore[arg-type]
        up=camera.rotation @ np.array([0.0, 1.0, 0.0]),
    )


def compose(rgba: np.ndarray, backdrop: np.ndarray) -> np.ndarray:
    """Supersampled premultiplied rendering over a backdrop (320, 320, 3) -> (320, 320, 3) uint8."""
    small = cv2.resize(rgba, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA).astype(np.float32)
    out = small[..., :3] + backdrop * (1 - small[..., 3:] / 255)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def finish(
    image: np.ndarray, rendered: Rendered, target: Figure, translation: np.ndarray, view: CropView
) -> SynthSample:
    """Blacken what lies outside the source picture; gather the labels."""
    outside_px = _outside(view, CROP_PX)
    outside_mask = _outside(view, PARTS_PX)
    step = CROP_PX * SUPERSAMPLING // PARTS_PX
    person = rendered.person[step // 2 :: step, step // 2 :: step]
    part = rendered.part[step // 2 :: step, step // 2 :: step]
    points = label_points(target.points + translation, view, rendered.depth)
    camera = view.intrinsics
    return SynthSample(
        image=np.where(outside_px[..., None], np.uint8(0), image),
        parts=np.where((person == TARGET_ID) & ~outside_mask, part, np.uint8(0)),
        others=((person > TARGET_ID) & (person != OCCLUDER_ID) & ~outside_mask).astype(np.uint8),
        points=points,
        joints_cam=target.joints + translation,
        landmarks_cam=target.landmarks + translation,
        pose=target.pose,
        betas=target.betas,
        translation=translation,
        K=np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
        crop_in_source=view.as_row(),
        box=point_box(points[points[:, 2] > 0, :2]),
    )


def _outside(view: CropView, size: int) -> np.ndarray:
    """(size, size) bool: pixel centres of the crop, sampled at `size`, that the source picture does not have."""
    x0, y0, x1, y1 = view.in_source()
    centre = (np.arange(size) + 0.5) * CROP_PX / size
    return ((centre < y0) | (centre >= y1))[:, None] | ((centre < x0) | (centre >= x1))[None]
