"""Bodies drawn on the CPU: shaded mesh over the picture, skeleton, box and id; and the mesh alone from another side."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.keypoints import COCO_EDGES, NUM_COCO
from pipeline.raster import face_normals, paint, visible_faces
from pipeline.types import FrameResult, TrackedBody

MESH_LEVEL = 1
MESH_OPACITY = 0.72
MIN_POINT_CONFIDENCE = 0.3
_LIGHT = np.array([-0.35, -0.55, -0.76], np.float32)
"""Direction towards the light, camera frame: from behind the camera, upper left."""

View = Literal["front", "side", "top"]
_VIEWS: dict[str, np.ndarray] = {
    "front": np.eye(3),
    "side": np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "top": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
}
"""Rotations of the camera frame: as the camera sees it; from the camera's right; from above, far things at the top."""


def colour_of(track_id: int) -> tuple[int, int, int]:
    """RGB of a track: the same id always has the same colour, neighbouring ids differ clearly."""
    hue = (0.55 + track_id * 0.618034) % 1.0
    r, g, b = colorsys.hsv_to_rgb(hue, 0.55, 1.0)
    return round(r * 255), round(g * 255), round(b * 255)


def draw_result(image: np.ndarray, result: FrameResult, body: BodyModel, *, mesh: bool = True) -> np.ndarray:
    """A copy of ``image`` (H, W, 3) uint8 RGB with the bodies of ``result`` drawn over it.

    The picture may be smaller or larger than the one that was processed, with an empty rest at the right or below.
    """
    out = image.copy()
    width, height = result.frame.size
    scale = min(image.shape[1] / width, image.shape[0] / height)
    if mesh:
        draw_bodies(out, result.bodies, body, result.frame.intrinsics, scale=scale)
    thickness = max(1, round(min(image.shape[:2]) / 360))
    for tracked in result.bodies:
        colour = colour_of(tracked.track_id)
        draw_skeleton(out, tracked.estimate.points_px * (scale, scale, 1), colour, thickness)
        draw_label(out, tracked, colour, thickness, scale)
    return out


def draw_bodies(
    image: np.ndarray,
    bodies: Sequence[TrackedBody],
    body: BodyModel,
    camera: Intrinsics,
    *,
    scale: float = 1.0,
    opacity: float = MESH_OPACITY,
) -> None:
    """Blend the meshes of ``bodies`` into ``image`` in place, nearer ones over farther ones."""
    if not bodies:
        return
    vertices, faces, colours = _meshes(bodies, body)
    _blend(image, camera.project(vertices) * scale, vertices, faces, colours, opacity)


def draw_meshes(
    bodies: Sequence[TrackedBody],
    body: BodyModel,
    size: tuple[int, int],
    *,
    view: View = "front",
    background: tuple[int, int, int] = (246, 246, 244),
) -> np.ndarray:
    """The meshes alone on a plain ground, orthographic, fitted to ``size`` (width, height) -> (H, W, 3) uint8 RGB."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:] = background
    if not bodies:
        return image
    vertices, faces, colours = _meshes(bodies, body)
    turned = (vertices @ _VIEWS[view].T).astype(np.float32)
    low, high = turned.min(axis=0), turned.max(axis=0)
    px_per_m = 0.9 * min(width / (high[0] - low[0]), height / (high[1] - low[1]))
    points = (turned[:, :2] - (low + high)[:2] / 2) * px_per_m + (width / 2, height / 2)
    turned[:, 2] += 1 - low[2]  # in front of the near plane
    _blend(image, points, turned, faces, colours, 1.0)
    return image


def draw_skeleton(image: np.ndarray, points_px: np.ndarray, colour: tuple[int, int, int], thickness: int = 2) -> None:
    """COCO's 17 of the 41 points and the lines between them, where the confidence is above 0.3."""
    seen = points_px[:NUM_COCO, 2] >= MIN_POINT_CONFIDENCE
    at = np.round(np.nan_to_num(points_px[:NUM_COCO, :2]).clip(-30_000, 30_000)).astype(int)
    dark = tuple(int(c * 0.45) for c in colour)
    for a, b in COCO_EDGES:
        if seen[a] and seen[b]:
            cv2.line(image, at[a].tolist(), at[b].tolist(), dark, thickness + 2, cv2.LINE_AA)
            cv2.line(image, at[a].tolist(), at[b].tolist(), colour, thickness, cv2.LINE_AA)
    for point in at[seen]:
        cv2.circle(image, point.tolist(), thickness + 1, (255, 255, 255), -1, cv2.LINE_AA)


def draw_label(
    image: np.ndarray, tracked: TrackedBody, colour: tuple[int, int, int], thickness: int = 1, scale: float = 1.0
) -> None:
    """The person's box and, above it, id and score."""
    x0, y0, x1, y1 = np.round(tracked.box_xyxy * scale).astype(int).tolist()
    cv2.rectangle(image, (x0, y0), (x1, y1), colour, thickness)
    text = f"#{tracked.track_id}  {tracked.estimate.score:.2f}"
    size = 0.45 * thickness
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    bottom = max(y0, height + below + 4)
    left = min(max(x0, 0), max(0, image.shape[1] - width - 6))
    cv2.rectangle(image, (left, bottom - height - below - 4), (left + width + 6, bottom), colour, -1)
    cv2.putText(
        image, text, (left + 3, bottom - below), cv2.FONT_HERSHEY_SIMPLEX, size, (20, 20, 20), thickness, cv2.LINE_AA
    )


def _meshes(bodies: Sequence[TrackedBody], body: BodyModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All bodies as one mesh: vertices (N V, 3), faces (N F, 3), RGB per face (N F, 3) float32."""
    estimates = [tracked.estimate for tracked in bodies]
    posed = body.forward(
        np.stack([e.pose for e in estimates]),
        np.stack([e.betas for e in estimates]),
        np.stack([e.translation for e in estimates]),
        level=MESH_LEVEL,
    )
    count, size = posed.vertices.shape[:2]
    template = body.faces[MESH_LEVEL]
    faces = (template[None] + np.arange(count)[:, None, None] * size).reshape(-1, 3)
    colours = np.array([colour_of(tracked.track_id) for tracked in bodies], np.float32)
    return posed.vertices.reshape(-1, 3), faces, np.repeat(colours, len(template), axis=0)


def _blend(
    image: np.ndarray,
    points_px: np.ndarray,
    vertices: np.ndarray,
    faces: np.ndarray,
    colours: np.ndarray,
    opacity: float,
) -> None:
    points_px = points_px.astype(np.float32)
    order = visible_faces(points_px, vertices[:, 2], faces)
    faces = faces.take(order, 0)
    corners = points_px.take(faces, 0)
    height, width = image.shape[:2]
    x0, y0 = (max(0, int(corners[..., axis].min(initial=1e6))) for axis in (0, 1))
    x1, y1 = (min(limit, int(corners[..., axis].max(initial=0)) + 1) for axis, limit in ((0, width), (1, height)))
    if x1 <= x0 or y1 <= y0:
        return
    facing_light = face_normals(vertices, faces) @ _LIGHT
    shade = 0.38 + 0.62 * np.clip(facing_light, 0, 1)
    rgba = np.full((len(order), 4), 255, np.uint8)
    rgba[:, :3] = colours.take(order, 0) * shade[:, None]
    # Four bytes per face as one integer: painted in one pass, empty where it stays 0.
    layer = np.zeros((y1 - y0, x1 - x0), np.uint32)
    paint(layer, corners - np.array((x0, y0), np.float32), rgba.view(np.uint32)[:, 0])
    layer_rgba = layer.view(np.uint8).reshape(*layer.shape, 4)
    region = image[y0:y1, x0:x1]
    mixed = cv2.addWeighted(cv2.cvtColor(layer_rgba, cv2.COLOR_RGBA2RGB), opacity, region, 1 - opacity, 0)
    cv2.copyTo(mixed, np.ascontiguousarray(layer_rgba[..., 3]), region)
