"""Pictures on their way to a device: each is sent once, whoever asks for it, through pinned memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.device import Device
from kernels.launch.crop_pictures import AnyPicture, DevicePicture


@dataclass(slots=True, eq=False)
class _Slot:
    pinned: np.ndarray
    picture: DevicePicture
    image: np.ndarray | None = None
    """What lies there."""


class DevicePictures:
    """Those of one stream of work. Memory is used again in the next call: whoever called has waited for ``stream`` by
    then. An image must not change once it was asked for. One thread at a time."""

    def __init__(self, device: Device, stream: Any = None) -> None:
        self._device, self._stream = device, stream
        self._slots: list[_Slot] = []
        """Those used last are last."""

    def __call__(self, images: Sequence[AnyPicture]) -> list[DevicePicture]:
        """Where ``images`` are, or soon will be, for work on the stream; a decoder's pictures are passed on."""
        if any(isinstance(image, DevicePicture) for image in images):
            self._device.follow_default_stream(self._stream)
        return [image if isinstance(image, DevicePicture) else self._sent(image, images) for image in images]

    def _sent(self, image: np.ndarray, wanted: Sequence[AnyPicture]) -> DevicePicture:
        slot = next((slot for slot in self._slots if slot.image is image), None)
        if slot is None:
            slot = self._free(image, wanted)
            slot.image = image
            slot.pinned[:] = image.reshape(slot.pinned.shape)
            self._device.write(slot.picture.pixels, slot.pinned, self._stream)
        else:
            self._slots.remove(slot)
        self._slots.append(slot)
        return slot.picture

    def _free(self, image: np.ndarray, wanted: Sequence[AnyPicture]) -> _Slot:
        """The slot of that shape that was used longest ago and holds nothing wanted now, or a new one."""
        for slot in self._slots:
            if slot.picture.shape == image.shape and not any(slot.image is other for other in wanted):
                self._slots.remove(slot)
                return slot
        height, width, _ = image.shape
        rows = height, 3 * width
        pixels = self._device.empty(rows, np.uint8, self._stream)
        return _Slot(self._device.pinned(rows, np.uint8), DevicePicture(pixels=pixels, width=width))
