"""`DevicePath` as a method of the stream, with the locator beside it: pictures go to the device once, or were decoded
there."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from engines.body import BodyModel
from engines.device_locator import DeviceLocator
from engines.device_pictures import DevicePictures
from engines.estimate import BodyEstimate
from engines.fitting.consistency import Consistency
from engines.methods import WEIGHTS
from engines.methods.device_path import DevicePath
from engines.methods.evidence import CropRequest
from engines.methods.look import Look
from engines.methods.point_networks import open_point_network, pulled
from engines.methods.presence import Presence, doubt
from engines.methods.span import span
from engines.methods.trunk_method import learned_presence, sightings, to_estimates
from engines.runtime import EngineUnavailable, load_engine
from engines.runtime.engine import Engine, Precision, Runtime
from kernels.cuda_device import first_gpu
from kernels.device import Device, DeviceError
from kernels.launch.crop_pictures import AnyPicture


class DeviceMethod:
    """See `engines.methods.Method`; owns its engines. All its work goes to one stream of its own, so that several of
    them, one per group of cameras, can run at once, each in a thread. Arguments as `DevicePath`.

    ``consistency``: pulls bodies onto the points as `BilayerLifter` does, on the host, one by one; None leaves them.
    The silhouette's IoU is that of the body before. ``presence``: who doubts newcomers, as in `TrunkReader`.
    ``locator``: for `detect`.
    """

    def __init__(
        self,
        trunk: Engine,
        lifter: Engine,
        body: BodyModel,
        device: Device,
        *,
        mirror: bool,
        consistency: Consistency | None = None,
        presence: Presence | None = None,
        most_people: int | None = None,
        locator: Engine | None = None,
    ) -> None:
        self._body, self._consistency, self._presence = body, consistency, presence
        self._engines = (trunk, lifter) if locator is None else (trunk, lifter, locator)
        stream = device.new_stream()
        self._path = DevicePath(trunk, lifter, body, device, mirror=mirror, most_people=most_people, stream=stream)
        self._pictures = DevicePictures(device, stream)
        self._using = threading.Lock()
        """Held by who puts work on the stream: the locator may look at one frame while people are seen in the next."""
        self._locator = None
        if locator is not None:
            self._locator = DeviceLocator(locator, device, pictures=self._pictures, stream=stream)
        self.weights = {engine.describe().model: engine.describe().sha256 for engine in self._engines}

    def detect(self, image: AnyPicture) -> np.ndarray:
        """See `DeviceLocator.detect`. Raises ValueError where there is no locator."""
        if self._locator is None:
            raise ValueError("this method was made without a locator: pass its engine")
        with self._using:
            return self._locator.detect(image)

    def estimate(self, requests: list[CropRequest], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.estimate`."""
        if not requests:
            return []
        intrinsics = [request.intrinsics for request in requests]
        centers = np.stack([request.center_px for request in requests])
        sides = np.array([request.side_px for request in requests])
        with self._using:
            with span(spans_ms, "upload"):
                images = {id(request.image): request.image for request in requests}
                pictures = self._pictures(list(images.values()))
            with span(spans_ms, "device"):
                places = {key: place for place, key in enumerate(images)}
                picture_of = np.array([places[id(request.image)] for request in requests])
                doubted = [row for row, request in enumerate(requests) if request.doubted] if self._presence else []
                seen = self._path(pictures, picture_of, intrinsics, centers, sides, features_of=doubted)
        with span(spans_ms, "lift"):
            bodies = seen.bodies
            if self._consistency is not None:
                found = bodies.pose, bodies.betas, bodies.translation
                bodies = pulled(
                    *found, self._consistency, self._body, seen.points_px, seen.depth_m, intrinsics, centers
                )
        with span(spans_ms, "quality"):
            seen_points = sightings(seen.points_px, presence=self._doubt(requests, seen.features))
            return to_estimates(bodies, seen_points, seen.silhouette_iou, requests)

    def _doubt(self, requests: list[CropRequest], features: dict[int, np.ndarray]) -> np.ndarray:
        """(B,) what scores are multiplied by."""
        doubted = [request.doubted for request in requests]
        if self._presence is None or not features:
            return doubt(None, doubted)
        presence = np.ones(len(requests), np.float32)
        presence[list(features)] = self._presence(np.stack(list(features.values())))
        return doubt(presence, doubted)

    def look(self, requests: list[CropRequest], least_scores: Sequence[float], spans_ms: dict[str, float]) -> Look:
        """See `engines.methods.Method.look`: to ask the device for scores would take longer than to make bodies."""
        return Look(requests=requests, seen=self.estimate(requests, spans_ms))

    def lift(self, look: Look, rows: Sequence[int], spans_ms: dict[str, float]) -> list[BodyEstimate]:
        """See `engines.methods.Method.lift`: nothing is left to do."""
        return look.bodies(rows)

    def remember(self, requests: Sequence[CropRequest], bodies: Sequence[BodyEstimate]) -> None:
        """See `engines.methods.Method.remember`."""

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
    mirror: bool = True,
    device: Device | None = None,
    most_people: int | None = None,
) -> DeviceMethod:
    """The shipped networks, the locator too, on ``device``, default: the first GPU.

    Raises EngineUnavailable where there is none or the runtime does not reach it.
    """
    device = device or open_gpu()
    # Engines are bound for the batches of `TRUNK_BATCHES`; one is enough for what else calls them.
    trunk = load_engine(WEIGHTS / f"trunk-{preset}.onnx", runtime, precision)
    lifter = open_point_network("bilayer", preset, runtime, precision)
    locator = load_engine(WEIGHTS / "locator-small.onnx", runtime, precision)
    consistency = Consistency(body)
    return DeviceMethod(
        trunk,
        lifter,
        body,
        device,
        mirror=mirror,
        consistency=consistency,
        presence=learned_presence(preset),
        most_people=most_people,
        locator=locator,
    )


def open_gpu() -> Device:
    """The first GPU, the same for all who ask. Raises EngineUnavailable where there is none."""
    try:
        return first_gpu()
    except DeviceError as error:
        raise EngineUnavailable(f"--on-device needs an NVIDIA GPU: {error}; leave it out to run on the CPU") from error
