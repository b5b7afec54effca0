"""From pictures on a device to bodies without leaving it: crops, trunk, points, lifter, place, mesh, agreement.

    crop_normalize -> trunk -> average_mirror -> decode_heatmaps -> lift_prepare -> lifter -> lift_finish
    -> body_transforms -> skin -> agreement

The host sends some hundred bytes per person (where to crop, with which camera) and takes back the parameters. It waits
once per batch, at the end; where people overlap it then reads the heatmaps of these, parts them
(`engines.methods.grouping`) and sends the points back to be lifted again: two waits more. The same code runs on a GPU
and, for proof, on the kernels' twin on the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.body import BodyModel
from engines.body.skin_mesh import skin_mesh
from engines.camera import Intrinsics
from engines.methods.bilayer import MIN_CONFIDENCE, OPENING
from engines.methods.bodies import OUTLINE_LEVEL, Bodies
from engines.methods.device_lane import Lane, make_lanes
from engines.methods.device_views import agreement_cameras, crop_views
from engines.methods.evidence import MIRROR_ORDERS
from engines.methods.grouping import find_rivals, part_people
from engines.runtime.engine import Engine
from kernels.crop_normalize import crop_to_source, source_to_crop
from kernels.crop_pictures import CropFormat, mirrored, square_affines
from kernels.device import Device
from kernels.launch.agreement import agreement
from kernels.launch.average_mirror import average_mirror
from kernels.launch.crop_pictures import DevicePicture, crop_pictures
from kernels.launch.decode_heatmaps import decode_heatmaps
from kernels.launch.lift import lift_finish, lift_prepare
from kernels.launch.skin import DeviceSkinMesh, body_transforms, skin

TRUNK_BATCHES = {False: (1, 4, 16, 64), True: (2, 4, 16, 64)}
"""Crops that trunks are bound for, without mirror images and with them: a crowd must not make a single person wait for
a full batch. All are sizes that TensorRT engines are tuned to."""


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
    features: dict[int, np.ndarray]
    """(C, S/8, S/8) float32 of the trunk, of those asked for, by row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Squares:
    """Whom to look at: squares of pictures."""

    picture_of: np.ndarray
    intrinsics: list[Intrinsics]
    centers_px: np.ndarray
    sides_px: np.ndarray

    def __len__(self) -> int:
        return len(self.picture_of)

    def __getitem__(self, rows: slice) -> _Squares:
        return _Squares(
            picture_of=self.picture_of[rows],
            intrinsics=self.intrinsics[rows],
            centers_px=self.centers_px[rows],
            sides_px=self.sides_px[rows],
        )


class DevicePath:
    """``trunk`` and ``lifter`` must reach ``device``; one thread at a time.

    ``mirror``: look at the mirror image of each crop too, as `engines.methods.evidence.TrunkReader`. ``stream``: all
    work goes there; give each group of cameras its own. ``most_people``: of one batch, default: what the largest trunk
    batch holds; halved, with a warning, while memory does not allow it. People of different batches are not parted.
    Raises ValueError for a lifter that reads anything but points, camera and features, EngineError where an engine does
    not run on the device, DeviceMemoryError where not even one person fits.
    """

    def __init__(
        self,
        trunk: Engine,
        lifter: Engine,
        body: BodyModel,
        device: Device,
        *,
        mirror: bool,
        most_people: int | None = None,
        stream: Any = None,
    ) -> None:
        names = {spec.name for spec in lifter.inputs}
        if names - {"features"} != {"points", "camera"}:
            raise ValueError(
                f"the lifter reads {sorted(names)}, on a device it can have points, camera and the trunk's features"
            )
        views = 2 if mirror else 1
        sizes = [batch // views for batch in TRUNK_BATCHES[mirror]]
        most = sizes[-1] if most_people is None else most_people
        if most < 1:
            raise ValueError(f"most_people is {most_people}, it must be at least 1")
        self._device, self._stream, self._mirror = device, stream, mirror
        size = trunk.inputs[0].shape[1]
        assert size is not None
        self.size_px = size
        self._mesh = DeviceSkinMesh.upload(skin_mesh(body, OUTLINE_LEVEL), device, stream)
        sizes = [*(size for size in sizes if size < most), most]
        vertices = self._mesh.vertex_count
        self._lanes = make_lanes(trunk, lifter, device, sizes, views=views, vertices=vertices, stream=stream)
        self._pinned: dict[str, list[np.ndarray]] = {"heatmaps": [], "features": []}
        """For maps that come back, one per person of the largest crowd so far."""
        for each in (None, stream):  # engines are bound on the device's own stream
            device.synchronize(each)

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
        *,
        features_of: Sequence[int] = (),
    ) -> Seen:
        """People in squares of ``pictures``: picture_of (B,), centers_px (B, 2), sides_px (B,), one camera each; and
        the features of some of them."""
        squares = _Squares(picture_of=picture_of, intrinsics=intrinsics, centers_px=centers_px, sides_px=sides_px)
        if not len(squares):
            raise ValueError("there is nobody to look at; do not call with no crops")
        most = self.most_people
        parts: list[dict[str, np.ndarray]] = []
        features: dict[int, np.ndarray] = {}
        for start in range(0, len(squares), most):
            wanted = [row - start for row in features_of if start <= row < start + most]
            said, own = self._run(pictures, squares[start : start + most], wanted)
            parts.append(said)
            features |= {row + start: values for row, values in own.items()}
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        iou = joined["counts"][:, 0] / np.where(joined["counts"][:, 1], joined["counts"][:, 1], np.nan)
        bodies = Bodies(
            pose=joined["pose"], betas=joined["betas"], translation=joined["translation"], joints=joined["joints"]
        )
        return Seen(
            bodies=bodies,
            points_px=joined["points"],
            depth_m=joined["depth"],
            silhouette_iou=iou.astype(np.float32),
            features=features,
        )

    def _run(
        self, pictures: Sequence[DevicePicture], squares: _Squares, features_of: list[int]
    ) -> tuple[dict[str, np.ndarray], dict[int, np.ndarray]]:
        """One batch; `points` in source pixels; and features."""
        count = len(squares)
        lane = self._lanes[min(size for size in self._lanes if size >= count)]
        self._look(lane, pictures, squares)
        features = self._maps_of(lane, "features", features_of)
        said = self._lift(lane, count)
        picture_of, centers, sides = squares.picture_of.tolist(), squares.centers_px, squares.sides_px
        around, width = centers[:, None], sides[:, None, None]
        points = said["points"].copy()
        points[..., :2] = crop_to_source(points[..., :2], around, width, self.size_px)
        if rivals := find_rivals(points, centers, sides, picture_of):
            heatmaps = self._maps_of(lane, "heatmaps", list(rivals))
            self._device.synchronize(self._stream)
            points = part_people(points, heatmaps, centers, sides, picture_of)
            parted = lane.host["points"][:count]
            parted[:] = points
            parted[..., :2] = source_to_crop(points[..., :2], around, width, self.size_px)
            self._device.write(lane.points.first(count), parted, self._stream)
            said = self._lift(lane, count)
        return said | {"points": points}, {row: values.copy() for row, values in features.items()}

    def _look(self, lane: Lane, pictures: Sequence[DevicePicture], squares: _Squares) -> None:
        """Queues all up to the points."""
        count, device, stream = len(squares), self._device, self._stream
        heads, centers, sides = lane.trunk.outputs, squares.centers_px, squares.sides_px
        views, cameras = lane.host["views"][:count], lane.host["cameras"][:count]
        views[:] = crop_views(squares.intrinsics, centers, sides, self.size_px)
        cameras[:] = agreement_cameras(views, self.size_px, heads["parts"].shape[-1])
        device.write(lane.views.first(count), views, stream)
        device.write(lane.cameras.first(count), cameras, stream)
        affines, picture_of = square_affines(centers, sides, self.size_px), squares.picture_of
        if self._mirror:
            affines = np.concatenate([affines, mirrored(affines, self.size_px)])
            picture_of = np.concatenate([picture_of, picture_of])
        crops = lane.trunk.inputs["crops"].first(len(affines))
        crop_pictures(pictures, picture_of, affines, self.size_px, CropFormat(), out=crops, stream=stream)
        lane.trunk.run(stream)
        if self._mirror:
            for name, order in MIRROR_ORDERS.items():
                average_mirror(heads[name].first(2 * count), order, stream=stream)
        decode_heatmaps(heads["heatmaps"].first(count), self.size_px, out=lane.points.first(count), stream=stream)

    def _lift(self, lane: Lane, count: int) -> dict[str, np.ndarray]:
        """From the lane's points on; waits for all of it."""
        device, stream = self._device, self._stream
        heads = {name: array.first(count) for name, array in lane.trunk.outputs.items()}
        inputs = {name: array.first(count) for name, array in lane.lifter.inputs.items()}
        views, points = lane.views.first(count), lane.points.first(count)
        lift_prepare(
            points,
            heads["depth"],
            views,
            inputs["points"],
            inputs["camera"],
            min_confidence=MIN_CONFIDENCE,
            opening=OPENING,
            stream=stream,
        )
        if "features" in inputs:
            device.copy(inputs["features"], heads["features"], stream)
        lane.lifter.run(stream)
        said = {name: array.first(count) for name, array in lane.lifter.outputs.items()}
        pose, translation = lane.pose.first(count), lane.translation.first(count)
        lift_finish(said, inputs["points"], views, pose, translation, stream=stream)
        transforms, joints = body_transforms(pose, said["betas"], translation, self._mesh, stream=stream)
        vertices = skin(transforms, said["betas"], self._mesh, out=lane.vertices.first(count), stream=stream)
        counts = lane.counts.first(count)
        agreement(vertices, lane.cameras.first(count), heads["parts"], counts, stream=stream)

        back = {"pose": pose, "betas": said["betas"], "translation": translation, "joints": joints}
        back |= {"points": points, "depth": heads["depth"], "counts": counts}
        for name, array in back.items():
            device.read(lane.host[name][:count], array, stream)
        device.synchronize(stream)
        return {name: lane.host[name][:count].copy() for name in back}

    def _maps_of(self, lane: Lane, name: str, rows: list[int]) -> dict[int, np.ndarray]:
        """Row -> the trunk's output, on the host as soon as the stream is waited for."""
        maps, pinned = lane.trunk.outputs[name], self._pinned[name]
        while len(pinned) < len(rows):
            pinned.append(self._device.pinned(maps.shape[1:], np.float32))
        found = dict(zip(rows, pinned, strict=False))
        for row, target in found.items():
            self._device.read(target, maps.row(row), self._stream)
        return found
