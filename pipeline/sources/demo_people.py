"""Dressed people for the demo clip: the body model with clothes, hair and a face painted on, shaded and rasterised.

Clothes are a function of the place on the T-posed body. It is evaluated once per person on a small grid inside every
triangle (a texture patch), so that a frame costs one look-up per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse

from engines.body import BodyModel
from engines.camera import Intrinsics
from engines.keypoints import COCO_NAMES, JOINT_NAMES
from pipeline.raster import paint, visible_faces

PATCH = 8
"""Texture samples along each side of a triangle: about 2 mm."""
_LIGHT = np.array([-0.45, -0.65, -0.61], np.float32)
"""Towards the lamp, camera frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outfit:
    """Colours, RGB 0..1."""

    skin: tuple[float, float, float]
    hair: tuple[float, float, float]
    shirt: tuple[float, float, float]
    trousers: tuple[float, float, float]
    shoes: tuple[float, float, float]
    stripes: bool = False
    long_sleeves: bool = False


class DressedPerson:
    """One person's shape and looks; `render` draws them in any pose."""

    def __init__(self, body: BodyModel, betas: np.ndarray, outfit: Outfit) -> None:
        self.body, self.betas = body, betas.astype(np.float32)
        self._faces = body.faces[0]
        rest = body.forward(np.zeros((24, 3)), self.betas, np.zeros(3))
        landmarks = dict(zip(COCO_NAMES, body.coco(rest.vertices)[0], strict=True))
        self._garment = _Garments(dict(zip(JOINT_NAMES, rest.joints[0], strict=True)), landmarks, outfit)
        vertices = rest.vertices[0]
        self._patches = self._bake_patches(vertices)
        self._thickness = self._garment.thickness(vertices)[:, None]
        count, size = len(self._faces), len(vertices)
        rows = self._faces.T.reshape(-1)
        self._gather_faces = sparse.csr_matrix(
            (np.ones(3 * count, np.float32), (rows, np.tile(np.arange(count), 3))), shape=(size, count)
        )

    def render(self, image: np.ndarray, vertices: np.ndarray, camera: Intrinsics) -> None:
        """Draw the person over ``image`` in place; vertices (V, 3) of level 0, metres, camera frame."""
        normals = self._normals(vertices)
        vertices = vertices + normals * self._thickness
        light = np.clip(normals @ _LIGHT, 0, 1) * 0.62 + 0.42 - 0.10 * normals[:, 1]
        points = camera.project(vertices).astype(np.float32)
        order = visible_faces(points, vertices[:, 2], self._faces)
        height, width = image.shape[:2]
        low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 3, 0)
        high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 3, (width, height))
        if len(order) == 0 or (high <= low).any():
            return
        corners = points[self._faces[order]] - low.astype(np.float32)
        ids = np.zeros((high[1] - low[1], high[0] - low[0]), np.int32)
        paint(ids, corners, np.arange(1, len(order) + 1, dtype=np.int32))
        colours = self._shade(ids, corners, order, light)
        _composite(image[low[1] : high[1], low[0] : high[0]], colours)

    def _shade(self, ids: np.ndarray, corners: np.ndarray, order: np.ndarray, light: np.ndarray) -> np.ndarray:
        """(H, W, 4) uint8: colour of every pixel that a triangle covers, alpha 255 there and 0 elsewhere."""
        row, column = np.nonzero(ids)
        triangle = ids[row, column] - 1
        a = corners[:, 0]
        ab, ac = corners[:, 1] - a, corners[:, 2] - a
        area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
        area = np.where(np.abs(area) < 1e-6, -1e-6, area)
        shades = light[self._faces[order]]
        # Per triangle: origin, the two barycentric gradients, the light at the corners; gathered as one row.
        table = np.column_stack(
            [a, ac[:, 1] / area, -ac[:, 0] / area, -ab[:, 1] / area, ab[:, 0] / area,
             shades[:, 0], shades[:, 1] - shades[:, 0], shades[:, 2] - shades[:, 0]]
        ).astype(np.float32)[triangle].T  # fmt: skip
        x, y = column + np.float32(0.5) - table[0], row + np.float32(0.5) - table[1]
        u = np.clip(x * table[2] + y * table[3], 0, 0.999)
        v = np.clip(x * table[4] + y * table[5], 0, 0.999)
        patch = order[triangle] * (PATCH * PATCH) + (u * PATCH).astype(np.int32) * PATCH + (v * PATCH).astype(np.int32)
        shade = table[6] + u * table[7] + v * table[8]
        out = np.zeros((*ids.shape, 4), np.uint8)
        out[row, column, :3] = np.clip(self._patches[patch] * shade[:, None], 0, 255)
        out[row, column, 3] = 255
        return out

    def _normals(self, vertices: np.ndarray) -> np.ndarray:
        a, b, c = (vertices[self._faces[:, i]] for i in range(3))
        normals = self._gather_faces @ np.cross(b - a, c - a)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)

    def _bake_patches(self, rest: np.ndarray) -> np.ndarray:
        """(F * PATCH * PATCH, 3) float32, 0..255: colours at u, v on a grid in every triangle."""
        grid = (np.arange(PATCH) + 0.5) / PATCH
        u, v = (part.reshape(-1, 1) for part in np.meshgrid(grid, grid, indexing="ij"))
        beyond = np.maximum(u + v - 1, 0) / 2
        u, v = u - beyond, v - beyond
        a, b, c = (rest[self._faces[:, i]][:, None] for i in range(3))
        places = (a + u * (b - a) + v * (c - a)).reshape(-1, 3)
        return (self._garment.colour(places) * 255).astype(np.float32)


class _Garments:
    """Which colour lies where on the T-posed body, and how thick the cloth is there."""

    def __init__(self, joints: dict[str, np.ndarray], landmarks: dict[str, np.ndarray], outfit: Outfit) -> None:
        self._joints, self._landmarks, self._outfit = joints, landmarks, outfit
        shoulder, elbow, wrist = (joints[f"left_{name}"][0] for name in ("shoulder", "elbow", "wrist"))
        self._sleeve_x = wrist - 0.03 if outfit.long_sleeves else shoulder + 0.62 * (elbow - shoulder)
        self._collar_y = joints["neck"][1] + 0.015
        self._waist_y = joints["pelvis"][1] + 0.06
        self._shoe_y = joints["left_ankle"][1] + 0.01
        self._cuff_y = joints["left_ankle"][1] - 0.015

    def masks(self, p: np.ndarray) -> dict[str, np.ndarray]:
        """Garment -> (N,) bool; later ones cover earlier ones."""
        x, y, z = np.abs(p[:, 0]), p[:, 1], p[:, 2]
        eyes, ear = self._landmarks["left_eye"], self._landmarks["left_ear"]
        collar = self._collar_y - 1.2 * np.maximum(0.03 - np.abs(z - self._joints["neck"][2] - 0.04), 0)
        above_neck = y > self._joints["head"][1] - 0.02
        on_top = y > eyes[1] + 0.052 - 0.5 * np.maximum(x - 0.045, 0)
        behind = (z < ear[2] + 0.012) & (y > ear[1] - 0.045)
        return {
            "trousers": (y < self._waist_y) & (x < 0.45),
            "shirt": (y >= self._waist_y) & (y < collar) & (x < self._sleeve_x),
            "shoes": y < self._shoe_y,
            "hair": above_neck & (on_top | behind) & (x < 0.2),
        }

    def thickness(self, p: np.ndarray) -> np.ndarray:
        """(N,) metres by which cloth and hair stand off the skin."""
        masks = self.masks(p)
        out = np.zeros(len(p), np.float32)
        for garment, thickness in (("trousers", 0.012), ("shirt", 0.010), ("shoes", 0.008), ("hair", 0.016)):
            out[masks[garment]] = thickness
        out[masks["trousers"] & (p[:, 1] > self._joints["left_hip"][1] - 0.1)] = 0.006
        return out

    def colour(self, p: np.ndarray) -> np.ndarray:
        """(N, 3) float, 0..1."""
        outfit, masks = self._outfit, self.masks(p)
        x, y, z = p.T
        out = np.empty((len(p), 3))
        out[:] = outfit.skin
        out *= (1 + 0.03 * np.sin(31 * x + 17 * y) * np.sin(29 * z + 23 * y))[:, None]
        self._paint_face(out, p)
        for garment in masks:
            out[masks[garment]] = getattr(outfit, garment)
        if outfit.stripes:
            out[masks["shirt"] & (np.sin(y * 2 * np.pi / 0.07) > 0.35)] *= 0.45
        # Wrinkles: soft, uneven bands across the limbs, darker at the seams.
        wave = np.sin(55 * y + 9 * np.sin(14 * x + 5 * z)) * np.sin(21 * x - 13 * y + 8 * np.sin(16 * z))
        weave = np.sin(900 * x) * np.sin(900 * y) * 0.02
        cloth = masks["shirt"] | masks["trousers"]
        out[cloth] *= (1 + 0.10 * wave + weave)[cloth, None]
        strands = np.sin(420 * x + 40 * np.sin(30 * y)) * np.sin(260 * z)
        out[masks["hair"]] *= (1 + 0.25 * strands)[masks["hair"], None]
        seams = cloth & (np.abs(y - self._waist_y) < 0.012)
        seams |= masks["shirt"] & (np.abs(np.abs(x) - self._sleeve_x) < 0.006)
        seams |= masks["trousers"] & (np.abs(x) < 0.004) & (z > 0)
        out[seams] *= 0.6
        sole = y < y.min() + 0.02
        out[sole] = (0.85, 0.85, 0.82)
        return out.clip(0, 1)

    def _paint_face(self, out: np.ndarray, p: np.ndarray) -> None:
        nose, left, right = (self._landmarks[name] for name in ("nose", "left_eye", "right_eye"))
        front = p[:, 2] > min(left[2], right[2]) - 0.03
        for eye in (left, right):
            dx, dy = p[:, 0] - eye[0], p[:, 1] - eye[1]
            out[front & ((dx / 0.019) ** 2 + (dy / 0.010) ** 2 < 1)] *= 0.72
            out[front & ((dx / 0.014) ** 2 + (dy / 0.0065) ** 2 < 1)] = (0.92, 0.9, 0.88)
            out[front & (dx**2 + dy**2 < 0.006**2)] = (0.12, 0.09, 0.07)
            out[front & (np.abs(dx) < 0.02) & (np.abs(dy - 0.022 + 6 * dx**2) < 0.004)] = np.multiply(
                self._outfit.hair, 0.8
            )
        dx, dy = p[:, 0] - nose[0], p[:, 1] - (nose[1] - 0.036)
        out[front & ((dx / 0.024) ** 2 + (dy / 0.009) ** 2 < 1)] *= (0.85, 0.55, 0.55)
        out[front & (np.abs(dx) < 0.022) & (np.abs(dy) < 0.0015)] *= 0.5
        dy = p[:, 1] - (nose[1] - 0.011)
        out[front & (np.abs(np.abs(dx) - 0.008) < 0.004) & (np.abs(dy) < 0.003)] *= 0.6


def _composite(region: np.ndarray, layer: np.ndarray) -> None:
    """Lay RGBA over the picture with edges as soft as a lens makes them."""
    soft = cv2.GaussianBlur(layer, (3, 3), 0.6)  # colours are zero where alpha is: premultiplied
    alpha = soft[..., 3:].astype(np.uint16)
    region[:] = soft[..., :3] + (region * (255 - alpha) // 255).astype(np.uint8)
