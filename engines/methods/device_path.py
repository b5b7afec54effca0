"""From pictures on a device to bodies without leaving it: crops, trunk, points, lifter, place, mesh, agreement.

    crop_normalize -> trunk -> decode_heatmaps -> lift_prepare -> lifter -> lift_finish -> body_transforms -> skin
    -> agreement

The host sends some hundred bytes per person (where to crop, with which camera) and takes back the parameters. It waits
once per call, at the end. The same code runs on a GPU and, for proof, on the kernels' twin on the CPU. The pictures'
mirror images are not averaged in: this is the path of ``--fast``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.body import BodyModel
from engines.body.skin_mesh import skin_mesh
from engines.camera import Intrinsics
from engines.methods.bilayer import MIN_CONFIDENCE, OPENING
from engines.methods.bodies import Bodies
from engines.methods.device_views import agreement_cameras, crop_views
from engines.methods.trunk_method import SILHOUETTE_LEVEL
from engines.runtime.device_call import BoundEngine
from engines.runtime.engine import Engine
from kernels.crop_normalize import crop_to_source
from kernels.crop_pictures import CropFormat, square_affines
from kernels.device import Device, DeviceArray, DeviceMemoryError
from kernels.launch.agreement import CAMERA_FLOATS, agreement
from kernels.launch.crop_pictures import DevicePicture, crop_pictures
from kernels.launch.decode_heatmaps import decode_heatmaps
from kernels.launch.lift import VIEW_FLOATS, lift_finish, lift_prepare
from kernels.launch.skin import JOINTS, DeviceSkinMesh, body_transforms, skin

log = logging.getLogger(__name__)

POINTS = 41
SIZES = (1, 4, 16, 64)
"""Batches that engines are bound for: a crowd must not make a single person wait for a full batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """B people of one call."""

    bodies: Bodies
    points_px: np.ndarray
    """(B, 41, 3) float32: x, y in source pixels, mass of the heatmap's peak."""
    depth_m: np.ndarray
    """(B, 41) float32, relative to the pelvis."""
    silhouette_iou: np.ndarray
    """(B,) float32, with the segmentation; NaN where neither body nor segmentation covers anything."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """Everything that a batch of one size needs, made once."""

    trunk: BoundEngine
    lifter: BoundEngine
    views: DeviceArray
    cameras: DeviceArray
    points: DeviceArray
    pose: DeviceArray
    translation: DeviceArray
    vertices: DeviceArray
    counts: DeviceArray
    host: dict[str, np.ndarray]
    """Pinned: what goes in (views, cameras) and what comes back."""


class DevicePath:
    """``trunk`` and ``lifter`` must reach ``device``; one thread at a time.

    ``stream``: all work goes there; give each group of cameras its own. ``most_people``: of one batch; halved, with a
    warning, while memory does not allow it. Raises ValueError for a lifter that reads anything but points, camera and
    features, EngineError where an engine does not run on the device, DeviceMemoryError where not even one person fits.
    """

    def __init__(
        self,
        trunk: Engine,
        lifter: Engine,
        body: BodyModel,
        device: Device,
        *,
        most_people: int = SIZES[-1],
        stream: Any = None,
    ) -> None:
        names = {spec.name for spec in lifter.inputs}
        if names - {"features"} != {"points", "camera"}:
            raise ValueError(
                f"the lifter reads {sorted(names)}, on a device it can have points, camera and the trunk's features"
            )
        if most_people < 1:
            raise ValueError(f"most_people is {most_people}, it must be at least 1")
        self._device, self._stream = device, stream
        self._engines = trunk, lifter
        size = trunk.inputs[0].shape[1]
        assert size is not None
        self.size_px = size
        self._mesh = DeviceSkinMesh.upload(skin_mesh(body, SILHOUETTE_LEVEL), device, stream)
        self._lanes = self._make_lanes(most_people)

    @property
    def most_people(self) -> int:
        """What one batch holds."""
        return max(self._lanes)

    def __call__(
        self,
        pictures: Sequence[DevicePicture],
        picture_of: np.ndarray,
        intrinsics: list[Intrinsics],
        centers_px: np.ndarray,
        sides_px: np.ndarray,
    ) -> Seen:
        """People in squares of ``pictures``: picture_of (B,), centers_px (B, 2), sides_px (B,), one camera each."""
        count, most = len(picture_of), self.most_people
        if not count:
            raise ValueError("there is nobody to look at; do not call with no crops")
        parts = []
        for start in range(0, count, most):
            rows = slice(start, start + most)
            parts.append(self._run(pictures, picture_of[rows], intrinsics[rows], centers_px[rows], sides_px[rows]))
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        points = joined["points"]
        for row in range(count):
            points[row, :, :2] = crop_to_source(points[row, :, :2], centers_px[row], sides_px[row], self.size_px)
        iou = joined["counts"][:, 0] / np.where(joined["counts"][:, 1], joined["counts"][:, 1], np.nan)
        bodies = Bodies(
            pose=joined["pose"], betas=joined["betas"], translation=joined["translation"], joints=joined["joints"]
        )
        return Seen(bodies=bodies, points_px=points, depth_m=joined["depth"], silhouette_iou=iou.astype(np.float32))

    def _run(
        self,
        pictures: Sequence[DevicePicture],
        picture_of: np.ndarray,
        intrinsics: list[Intrinsics],
        centers_px: np.ndarray,
        sides_px: np.ndarray,
    ) -> dict[str, np.ndarray]:
        count, device, stream = len(picture_of), self._device, self._stream
        lane = self._lanes[min(size for size in self._lanes if size >= count)]
        host = {name: array[:count] for name, array in lane.host.items()}
        parts = lane.trunk.outputs["parts"].first(count)
        host["views"][:] = crop_views(intrinsics, centers_px, sides_px, self.size_px)
        host["cameras"][:] = agreement_cameras(host["views"], self.size_px, parts.shape[-1])
        views, cameras = lane.views.first(count), lane.cameras.first(count)
        device.write(views, host["views"], stream)
        device.write(cameras, host["cameras"], stream)

        crop_pictures(
            pictures,
            picture_of,
            square_affines(centers_px, sides_px, self.size_px),
            self.size_px,
            CropFormat(),
            out=lane.trunk.inputs["crops"].first(count),
            stream=stream,
        )
        lane.trunk.run(stream)
        points = lane.points.first(count)
        decode_heatmaps(lane.trunk.outputs["heatmaps"].first(count), self.size_px, out=points, stream=stream)
        depth, inputs = lane.trunk.outputs["depth"].first(count), lane.lifter.inputs["points"].first(count)
        lift_prepare(
            points,
            depth,
            views,
            inputs,
            lane.lifter.inputs["camera"].first(count),
            min_confidence=MIN_CONFIDENCE,
            opening=OPENING,
            stream=stream,
        )
        if (features := lane.lifter.inputs.get("features")) is not None:
            device.copy(features.first(count), lane.trunk.outputs["features"].first(count), stream)
        lane.lifter.run(stream)
        said = {name: array.first(count) for name, array in lane.lifter.outputs.items()}
        pose, translation = lane.pose.first(count), lane.translation.first(count)
        lift_finish(said, inputs, views, pose, translation, stream=stream)
        transforms, joints = body_transforms(pose, said["betas"], translation, self._mesh, stream=stream)
        vertices = skin(transforms, said["betas"], self._mesh, out=lane.vertices.first(count), stream=stream)
        counts = lane.counts.first(count)
        agreement(vertices, cameras, parts, counts, stream=stream)

        back = {"pose": pose, "betas": said["betas"], "translation": translation, "joints": joints}
        back |= {"points": points, "depth": depth, "counts": counts}
        for name, array in back.items():
            device.read(host[name], array, stream)
        device.synchronize(stream)
        return {name: host[name].copy() for name in back}

    def _make_lanes(self, most: int) -> dict[int, _Lane]:
        lanes: dict[int, _Lane] = {}
        for wanted in (*(size for size in SIZES if size < most), most):
            count = wanted
            while count > max(lanes, default=0):
                try:
                    lanes[count] = self._lane(count)
                except DeviceMemoryError as error:
                    if count == 1:
                        raise
                    log.warning("no memory for batches of %d people, halving: %s", count, error)
                    count //= 2
            if count < wanted:
                break
        return lanes

    def _lane(self, count: int) -> _Lane:
        device = self._device
        trunk, lifter = (engine.bind(count, device) for engine in self._engines)
        # The rows of a batch that nobody fills must hold numbers.
        for array in (*trunk.inputs.values(), *lifter.inputs.values()):
            device.fill(array, 0)
        shapes: dict[str, tuple[int, ...]] = {
            "views": (count, VIEW_FLOATS),
            "cameras": (count, CAMERA_FLOATS),
            "points": (count, POINTS, 3),
            "pose": (count, JOINTS, 3),
            "translation": (count, 3),
        }
        made = {name: device.empty(shape, np.float32) for name, shape in shapes.items()}
        counts = device.empty((count, 2), np.int32)
        shapes |= {"betas": lifter.outputs["betas"].shape, "joints": (count, JOINTS, 3), "depth": (count, POINTS)}
        host = {name: device.pinned(shape, np.float32) for name, shape in shapes.items()}
        host["counts"] = device.pinned((count, 2), np.int32)
        vertices = device.empty((count, self._mesh.vertex_count, 3), np.float32)
        return _Lane(trunk, lifter, vertices=vertices, counts=counts, host=host, **made)
