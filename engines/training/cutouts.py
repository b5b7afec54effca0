"""People cut out of photographs along their masks, pasted into others: small and far people where photographs have few.

After Ghiasi et al.: Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation (CVPR 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from engines.training.photos.person_crops import PersonCrops


class Cutouts:
    """The people of `PersonCrops` that have a mask."""

    def __init__(self, crops: PersonCrops) -> None:
        self._crops = crops
        known = (crops.masks == 1).sum((1, 2)) > 200
        # A mask that reaches the crop's edge belongs to somebody cut off there.
        self._rows = np.flatnonzero(known)

    def __len__(self) -> int:
        return len(self._rows)

    def draw(self, rng: np.random.Generator, height_px: float) -> tuple[np.ndarray, np.ndarray]:
        """A person so many pixels high: picture (h, w, 3) uint8 and alpha (h, w) float32 0..1, cut to the mask."""
        row = self._rows[rng.integers(len(self._rows))]
        image = self._crops.images[row]
        mask = (self._crops.masks[row] == 1).astype(np.float32)
        mask = cv2.resize(mask, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        rows, columns = np.nonzero(mask > 0.5)
        y0, y1, x0, x1 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        scale = height_px / (y1 - y0)
        size = max(4, round((x1 - x0) * scale)), max(8, round((y1 - y0) * scale))
        picture = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(mask[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            picture, alpha = picture[:, ::-1], alpha[:, ::-1]
        return picture, np.clip(2 * alpha - 0.5, 0, 1)

    def paste(self, rng: np.random.Generator, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Paste one to three people; people mostly hidden by them lose their boxes. Returns image and boxes (N, 4)."""
        size = image.shape[0]
        image = image.copy()
        # Somebody far away stands beside others who are far away.
        typical = np.exp(rng.uniform(np.log(0.09), np.log(0.55))) * size
        gain = np.exp(rng.normal(0, 0.25))
        for _ in range(rng.integers(1, 4)):
            picture, alpha = self.draw(rng, typical * np.exp(rng.normal(0, 0.2)))
            height, width = alpha.shape
            if max(height, width) > size:
                continue
            x, y = rng.integers(-width // 4, size - 3 * width // 4), rng.integers(-height // 5, size - height // 2)
            x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, size), min(y + height, size)
            if x1 - x0 < 0.4 * width or y1 - y0 < 0.4 * height:
                continue
            part = alpha[y0 - y : y1 - y, x0 - x : x1 - x, None]
            colours = np.clip(picture[y0 - y : y1 - y, x0 - x : x1 - x] * gain, 0, 255)
            image[y0:y1, x0:x1] = (image[y0:y1, x0:x1] * (1 - part) + colours * part).astype(np.uint8)
            new = np.array([x0, y0, x1, y1], np.float32)
            low, high = np.maximum(boxes[:, :2], new[:2]), np.minimum(boxes[:, 2:], new[2:])
            hidden = np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(
                np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1
            )
            boxes = np.concatenate([boxes[hidden < 0.7], new[None]])
        return image, boxes
