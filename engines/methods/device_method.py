"""`DevicePath` as a method of the stream: a picture is sent to the device once, whoever is in it."""

from __future__ import annotations

import numpy as np

from engines.body import BodyModel
from engines.estimate import BodyEstimate
from engines.fitting.consistency import Consistency
from engines.methods import WEIGHTS
from engines.methods.device_path import SIZES, DevicePath
from engines.methods.evidence import CropRequest
from engines.methods.point_networks import open_point_network, pulled
from engines.methods.span import span
from engines.methods.trunk_method import to_estimates
from engines.runtime import EngineUnavailable, load_engine
from engines.runtime.engine import Engine, Precision, Runtime
from kernels.cuda_device import CudaDevice
from kernels.device import Device, DeviceError
from kernels.launch.crop_pictures import DevicePicture


class DeviceMethod:
    """See `engines.methods.Method`; owns its engines. Arguments as `DevicePath`.

    ``consistency``: pulls bodies onto the points as `BilayerLifter` does, on the host, one by one; None leaves them.
    The silhouette's IoU is that of the body before.
    """

    def __init__(
        self,
        trunk: Engine,
        lifter: Engine,
        body: BodyModel,
        device: Device,
        *,
        consistency: Consistency | None = None,
        most_people: int = SIZES[-1],
    ) -> None:
        self._body, self._consistency = body, consistency
        self._engines, self._device = (trunk, lifter), device
        self._path = DevicePath(trunk, lifter, body, device, most_people=most_people)
        self._buffers: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, DevicePicture]] = {}
        """(place in the call, shape of a picture) -> pinned memory and the picture on the device."""
        self.weights = {engine.describe().model: engine.describe().sha256 for engine in self._engines}

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.estimate`."""
        if not requests:
            return []
        intrinsics = [request.intrinsics for request in requests]
        centers = np.stack([request.center_px for request in requests])
        with span(spans_ms, "upload"):
            images = {id(request.image): request.image for request in requests}
            places = {key: place for place, key in enumerate(images)}
            pictures = [self._upload(place, image) for place, image in enumerate(images.values())]
        with span(spans_ms, "device"):
            seen = self._path(
                pictures,
                np.array([places[id(request.image)] for request in requests]),
                intrinsics,
                centers,
                np.array([request.side_px for request in requests]),
            )
        with span(spans_ms, "lift"):
            bodies = pulled(
                seen.bodies, self._consistency, self._body, seen.points_px, seen.depth_m, intrinsics, centers
            )
        with span(spans_ms, "quality"):
            return to_estimates(bodies, seen.points_px, seen.silhouette_iou, requests)

    def _upload(self, place: int, image: np.ndarray) -> DevicePicture:
        """Buffers are used again in the next call: `DevicePath` has waited for this one by then."""
        if (place, image.shape) not in self._buffers:
            height, width, _ = image.shape
            pinned = self._device.pinned((height, width * 3), np.uint8)
            pixels = self._device.empty((height, width * 3), np.uint8)
            self._buffers[place, image.shape] = pinned, DevicePicture(pixels=pixels, width=width)
        pinned, picture = self._buffers[place, image.shape]
        pinned[:] = image.reshape(pinned.shape)
        self._device.write(picture.pixels, pinned)
        return picture

    def close(self) -> None:
        """See `engines.methods.Method.close`."""
        for engine in self._engines:
            engine.close()


def open_device_method(
    body: BodyModel,
    *,
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    preset: str = "small",
    device: Device | None = None,
    most_people: int = SIZES[-1],
) -> DeviceMethod:
    """The shipped networks on ``device``, default: the first GPU.

    Raises EngineUnavailable where there is none or the runtime does not reach it.
    """
    if device is None:
        try:
            device = CudaDevice()
        except DeviceError as error:
            raise EngineUnavailable(
                f"--on-device needs an NVIDIA GPU: {error}; leave it out to run on the CPU"
            ) from error
    sizes = (*(size for size in SIZES if size < most_people), most_people)
    trunk = load_engine(WEIGHTS / f"trunk-{preset}.onnx", runtime, precision, batches=sizes)
    lifter = open_point_network("bilayer", preset, runtime, precision, batches=sizes)
    return DeviceMethod(trunk, lifter, body, device, consistency=Consistency(body), most_people=most_people)
