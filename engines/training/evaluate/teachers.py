"""The three published networks this project is measured against, run by onnxruntime; never part of the product.

NanoDet (person boxes), MoveNet Thunder (17 COCO points) and BlazePose heavy (33 landmarks), as ONNX files in one
folder that the user names. Image points follow the project: the top-left pixel's centre is (0.5, 0.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FILES = {"nanodet": "nanodet.onnx", "movenet": "movenet_thunder.onnx", "blazepose": "blazepose_heavy.onnx"}
DEFAULT_MIN_SCORE = 0.35
"""Person score below which a NanoDet box is ignored."""
BGR_MEAN = np.array([103.53, 116.28, 123.675], np.float32)
BGR_STD = np.array([57.375, 57.12, 58.395], np.float32)
CROP_MARGIN = 1.25
"""Side of the square crop over the longer side of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPerson:
    """One person as the teachers see them."""

    box_xyxy: np.ndarray
    """(4,) float32, pixels."""
    score: float
    """0..1, of the box."""
    keypoints: np.ndarray
    """(17, 3) float32: x, y in pixels and confidence, COCO order."""


def open_session(folder: Path, name: str, threads: int) -> Any:
    """An onnxruntime CPU session of teacher ``name``; FileNotFoundError tells where it was looked for."""
    path = folder / FILES[name]
    if not path.is_file():
        raise FileNotFoundError(f"no {path.name} in {folder}; name the folder that holds {', '.join(FILES.values())}")
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "the teachers run on onnxruntime; install it with: pip install 'bodystream[train]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _square(image: np.ndarray, center: np.ndarray, side: float, angle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The 256 px square of ``image`` around ``center``, turned by ``angle``; black outside.

    Returns the crop and the 2x3 matrix that takes crop points to image points. The sampling grid is that of the
    teachers' published recipe: crop index 0 falls on the corner of the square, in pixel indices (hence the 0.5).
    """
    scale, cos, sin = side / 256, math.cos(angle), math.sin(angle)
    linear = scale * np.array([[cos, -sin], [sin, cos]])
    on_indices = np.column_stack([linear, center - 0.5 - linear @ (128.0, 128.0)])
    crop = cv2.warpAffine(image, on_indices, (256, 256), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return crop, np.column_stack([linear, on_indices[:, 2] + 0.5])


class NanoDet:
    """Person boxes: anchor-free, strides 8, 16, 32 of a 416 px picture, box sides as distributions over 11 bins."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._net = open_session(folder, "nanodet", threads)

    def __call__(self, image: np.ndarray, min_score: float = DEFAULT_MIN_SCORE) -> np.ndarray:
        """(H, W, 3) uint8 RGB -> (N, 5) float32: x0 y0 x1 y1 score, pixels, best first."""
        height, width = image.shape[:2]
        scale = 416 / max(height, width)
        small_w, small_h = round(width * scale), round(height * scale)
        left, top = (416 - small_w) // 2, (416 - small_h) // 2
        canvas = np.zeros((416, 416, 3), np.uint8)
        canvas[top : top + small_h, left : left + small_w] = cv2.resize(
            image, (small_w, small_h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        bgr = (canvas[..., ::-1].astype(np.float32) - BGR_MEAN) / BGR_STD
        outputs = {out.shape[1:]: out[0] for out in self._net.run(None, {"input_1:0": bgr.transpose(2, 0, 1)[None]})}
        found = []
        for stride in (8, 16, 32):
            cells = 416 // stride
            scores = outputs[(cells * cells, 80)][:, 0]
            keep = np.flatnonzero(scores > min_score)
            bins = np.exp(outputs[(cells * cells, 44)][keep].reshape(-1, 4, 11))
            sides = (bins / bins.sum(-1, keepdims=True)) @ np.arange(11, dtype=np.float32) * stride
            center = np.stack([keep % cells + 0.5, keep // cells + 0.5], -1) * stride
            found.append(np.column_stack([center - sides[:, :2], center + sides[:, 2:], scores[keep]]))
        boxes = np.concatenate(found)
        boxes[:, :4] = (boxes[:, :4] - (left, top, left, top)) / scale
        tlwh = np.column_stack([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]])
        chosen = cv2.dnn.NMSBoxes(tlwh.tolist(), boxes[:, 4].tolist(), min_score, 0.5) if len(boxes) else []
        return boxes[np.asarray(chosen, int).ravel()].astype(np.float32)


class MoveNet:
    """17 COCO points of the person in a square crop."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._net = open_session(folder, "movenet", threads)

    def __call__(self, image: np.ndarray, box_xyxy: np.ndarray) -> np.ndarray:
        """Image and a person's box -> (17, 3) float32: x, y, confidence."""
        side = CROP_MARGIN * float(max(box_xyxy[2:4] - box_xyxy[:2]))
        crop, to_image = _square(image, (box_xyxy[:2] + box_xyxy[2:4]) / 2, side)
        rows = self._net.run(None, {"input:0": crop[None].astype(np.int32)})[0].reshape(17, 3)
        points = 256 * rows[:, 1::-1] @ to_image[:, :2].T + to_image[:, 2]
        return np.column_stack([points, rows[:, 2]]).astype(np.float32)


class BlazePose:
    """33 landmarks with depth; two passes: the first finds the circle around the body, the second reads it upright."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._net = open_session(folder, "blazepose", threads)

    def _read(self, image: np.ndarray, center: np.ndarray, side: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
        crop, to_image = _square(image, center, side, angle)
        landmarks, _, _, heat, world = self._net.run(None, {"input_1": crop[None] / np.float32(255)})
        landmarks, world = landmarks.reshape(39, 5).astype(np.float64), world.reshape(39, 3).astype(np.float64)
        for index, (x, y) in enumerate((landmarks[:, :2] / 4).astype(int)):
            if not (0 <= x < 64 and 0 <= y < 64):
                continue
            x0, y0 = max(0, x - 4), max(0, y - 4)
            weight = 1 / (1 + np.exp(-heat[0, y0 : y + 5, x0 : x + 5, index].astype(np.float64)))
            if weight.max() >= 0.5:
                rows, columns = np.indices(weight.shape)
                landmarks[index, :2] = 4 * np.array([(weight * (columns + x0)).sum(), (weight * (rows + y0)).sum()])
                landmarks[index, :2] /= weight.sum()
        linear = to_image[:, :2]
        landmarks[:, :2] = landmarks[:, :2] @ linear.T + to_image[:, 2]
        world[:, :2] = world[:, :2] @ (linear * (256 / side)).T
        return landmarks, world

    def once(self, image: np.ndarray, box_xyxy: np.ndarray) -> np.ndarray:
        """One pass over the upright square around a box: all 39 landmarks (39, 5), x, y in pixels."""
        side = CROP_MARGIN * float(max(box_xyxy[2:4] - box_xyxy[:2]))
        return self._read(image, (box_xyxy[:2] + box_xyxy[2:4]) / 2, side, 0.0)[0]

    def __call__(self, image: np.ndarray, box_xyxy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image and box -> landmarks (33, 3) x, y in pixels and visibility; (33, 3) metres, mid-hip origin."""
        hip, rim = self.once(image, box_xyxy)[33:35, :2]
        angle = math.pi / 2 - math.atan2(hip[1] - rim[1], rim[0] - hip[0])
        landmarks, world = self._read(image, hip, max(1.0, 2.5 * float(np.linalg.norm(rim - hip))), angle)
        visibility = 1 / (1 + np.exp(-landmarks[:33, 3]))
        return np.column_stack([landmarks[:33, :2], visibility]).astype(np.float32), world[:33].astype(np.float32)


class KeypointTeacher:
    """NanoDet, then MoveNet on every box."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._boxes, self._points = NanoDet(folder, threads), MoveNet(folder, threads)

    def __call__(self, image: np.ndarray, max_people: int = 8) -> list[TeacherPerson]:
        """People of an (H, W, 3) uint8 RGB picture, surest first."""
        return [
            TeacherPerson(box_xyxy=box[:4], score=float(box[4]), keypoints=self._points(image, box[:4]))
            for box in self._boxes(image)[:max_people]
        ]
