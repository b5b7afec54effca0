"""`engines.locator.Locator` for pictures that lie on a device: only the small maps of scores and sides come back."""

from __future__ import annotations

from typing import Any

import numpy as np

from engines.device_pictures import DevicePictures
from engines.locator import MIN_SCORE, people_of
from engines.runtime.engine import Engine
from kernels.crop_pictures import CropFormat, square_affines
from kernels.device import Device
from kernels.launch.crop_pictures import AnyPicture, crop_pictures


class DeviceLocator:
    """People in pictures on ``device``. One thread at a time. ``pictures``: shared with others on the same stream."""

    def __init__(
        self,
        engine: Engine,
        device: Device,
        *,
        min_score: float = MIN_SCORE,
        max_iou: float = 0.55,
        pictures: DevicePictures | None = None,
        stream: Any = None,
    ) -> None:
        self._device, self._stream = device, stream
        self._pictures = pictures or DevicePictures(device, stream)
        self._bound = engine.bind(1, device)
        self._host = {name: device.pinned(array.shape, array.dtype) for name, array in self._bound.outputs.items()}
        self.min_score, self.max_iou = min_score, max_iou
        device.synchronize()  # engines are bound on the device's own stream

    def detect(self, image: AnyPicture) -> np.ndarray:
        """As `Locator.detect`: (N, 5) float32 x0 y0 x1 y1 score, source pixels, best first, clipped. Waits once."""
        (picture,) = self._pictures([image])
        entry = self._bound.inputs["picture"]
        size_px = entry.shape[1]
        height, width, _ = picture.shape
        side = max(width, height)
        affine = square_affines(np.full((1, 2), side / 2), np.array([side]), size_px)
        crop_pictures([picture], np.zeros(1, np.int64), affine, size_px, CropFormat(), out=entry, stream=self._stream)
        self._bound.run(self._stream)
        for name, array in self._bound.outputs.items():
            self._device.read(self._host[name], array, self._stream)
        self._device.synchronize(self._stream)
        return people_of(self._host, self.min_score, self.max_iou, size_px / side, (width, height))
