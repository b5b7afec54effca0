"""`engines.locator.Locator` for pictures that lie on a device: only the small maps of scores and sides come back."""

from __future__ import annotations

from typing import Any

import numpy as np

from engines.locator import decode
from engines.runtime.engine import Engine
from kernels.crop_pictures import CropFormat, square_affines
from kernels.device import Device
from kernels.launch.crop_pictures import DevicePicture, crop_pictures


class DeviceLocator:
    """People in pictures on ``device``. One thread at a time."""

    def __init__(
        self, engine: Engine, device: Device, *, min_score: float = 0.15, max_iou: float = 0.55, stream: Any = None
    ) -> None:
        self._device, self._stream = device, stream
        self._bound = engine.bind(1, device)
        self._host = {name: device.pinned(array.shape, array.dtype) for name, array in self._bound.outputs.items()}
        self.min_score, self.max_iou = min_score, max_iou

    def detect(self, picture: DevicePicture) -> np.ndarray:
        """As `Locator.detect`: (N, 5) float32 x0 y0 x1 y1 score, source pixels, best first, clipped."""
        entry = self._bound.inputs["picture"]
        size_px = entry.shape[1]
        width, height = picture.width, picture.pixels.shape[0]
        side = max(width, height)
        affine = square_affines(np.full((1, 2), side / 2), np.array([side]), size_px)
        crop_pictures([picture], np.zeros(1, np.int64), affine, size_px, CropFormat(), out=entry, stream=self._stream)
        self._bound.run(self._stream)
        for name, array in self._bound.outputs.items():
            self._device.read(self._host[name], array, self._stream)
        self._device.synchronize(self._stream)
        boxes = decode(self._host["scores"][0, 0], self._host["sides"][0], self.min_score, self.max_iou)
        boxes[:, :4] *= side / size_px
        boxes[:, [0, 2]] = boxes[:, [0, 2]].clip(0, width)
        boxes[:, [1, 3]] = boxes[:, [1, 3]].clip(0, height)
        return boxes
