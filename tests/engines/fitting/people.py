"""People in ordinary poses and what a camera sees of them, for the tests of the fits."""

from dataclasses import dataclass

import numpy as np

from engines.body import load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import Figures, Skeleton, image_points
from engines.fitting.image_evidence import ImageEvidence

CAMERA = Intrinsics(fx=900, fy=900, cx=640, cy=360)


@dataclass(frozen=True)
class People:
    pose: np.ndarray
    betas: np.ndarray
    place: np.ndarray
    cloud: np.ndarray
    """(B, 41, 3) camera frame."""
    points_px: np.ndarray
    """(B, 41, 3)"""
    depth_m: np.ndarray

    def evidence(self, *, depth: bool = True, power: float = 2.0) -> ImageEvidence:
        cameras = [CAMERA] * len(self.pose)
        return ImageEvidence.of(
            self.points_px, self.depth_m if depth else None, cameras, self.points_px[:, 17, :2], power
        )


def draw_people(count: int, seed: int, heading: float = 0.0, spread: float = 0.12) -> People:
    """Standing, arms down, bent a little at every joint; ``heading`` radians away from facing the camera."""
    body, rng = load_body(), np.random.default_rng(seed)
    pose = rng.normal(0, spread, (count, 24, 3))
    pose[:, 16, 2] -= 1.1
    pose[:, 17, 2] += 1.1
    pose[:, 4:6, 0] = np.abs(pose[:, 4:6, 0])
    pose[:, 18, 1], pose[:, 19, 1] = -np.abs(pose[:, 18, 1]), np.abs(pose[:, 19, 1])
    pose[:, [10, 11, 22, 23]] = 0
    half = heading / 2
    # Facing the camera is half a turn about x; a turn about the body's y axis follows.
    pose[:, 0] = np.pi * np.array([np.cos(half), 0.0, np.sin(half)])
    betas = rng.normal(0, 0.7, (count, 10))
    place = np.array([0.0, 0.0, 4.0]) + rng.normal(0, 0.3, (count, 3))
    figures = Figures.of(pose, betas, place)
    cloud = image_points(body).places(figures, Skeleton(body).pose(figures))
    points = np.concatenate((CAMERA.project(cloud), np.full((count, 41, 1), 0.7)), -1)
    return People(pose, betas, place, cloud, points, cloud[..., 2] - place[:, None, 2])
