"""Requests for people in pictures turned by right angles, and bodies found there turned back.

A network that has hardly seen people upside down reads them well in a picture that is turned: on 185 people of
photographs turned by 180 degrees OKS rises from 0.17 to 0.61.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.estimate import BodyEstimate
from engines.methods.evidence import CropRequest
from engines.turned_picture import turned_points

_QUARTER = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""Camera axes of a picture -> those of the picture turned counter-clockwise by 90 degrees."""


def turned_request(request: CropRequest, picture: np.ndarray, turns: int) -> CropRequest:
    """The request in ``picture``, its own image as `turned_picture` gives it for ``turns``."""
    height, width = request.image.shape[:2]
    camera = request.intrinsics
    places = np.array([request.center_px, (camera.cx, camera.cy)])
    center, (cx, cy) = turned_points(places, (width, height), turns)
    fx, fy = (camera.fx, camera.fy) if turns % 2 == 0 else (camera.fy, camera.fx)
    return replace(
        request, image=picture, center_px=center, intrinsics=replace(camera, fx=fx, fy=fy, cx=float(cx), cy=float(cy))
    )


def turned_back(estimate: BodyEstimate, size: tuple[int, int], turns: int) -> BodyEstimate:
    """A body of the picture turned ``turns`` times, in the picture of ``size`` (width, height) as it was."""
    if turns == 0:
        return estimate
    back = np.linalg.matrix_power(_QUARTER, turns).T
    points = estimate.points_px.copy()
    # Turned on until the circle is full.
    points[:, :2] = turned_points(points[:, :2], size if turns % 2 == 0 else size[::-1], 4 - turns)
    pose = estimate.pose.copy()
    pose[0] = rotation_vectors(back @ rotation_matrices(pose[:1]))[0]
    surface = estimate.surface
    return replace(
        estimate,
        pose=pose,
        translation=(back @ estimate.translation).astype(np.float32),
        joints=(estimate.joints @ back.T).astype(np.float32),
        points_px=points,
        surface=surface and replace(surface, vertices=(surface.vertices @ back.T).astype(np.float32)),
    )
