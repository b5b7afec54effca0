"""How fast kernels run, as a share of what moving their bytes takes: measured beside a plain copy, same device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kernels.crop_pictures import CropFormat, square_affines
from kernels.device import Device, DeviceArray
from kernels.launch.agreement import CAMERA_FLOATS, agreement
from kernels.launch.average_mirror import average_mirror
from kernels.launch.crop_pictures import DevicePicture, crop_pictures
from kernels.launch.decode_heatmaps import decode_heatmaps, decode_volumes
from kernels.launch.lift import VIEW_FLOATS, lift_finish, lift_prepare
from kernels.launch.raster import raster
from kernels.launch.skin import DeviceSkinMesh, body_transforms, skin
from kernels.launch.voxel_project import voxel_perspective, voxel_project, voxel_project_backward
from kernels.launch.voxelize import voxelize
from kernels.skin import SkinMesh


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSpeed:
    """One kernel at one size."""

    name: str
    size: str
    megabytes: float
    """That must cross the memory bus once: compulsory reads and writes."""
    milliseconds: float
    floor_ms: float
    """Those bytes at the measured copy bandwidth."""

    @property
    def share_of_floor(self) -> float:
        """1: as fast as memory allows. Small sizes live in the cache and may exceed it, or be all launch."""
        return self.floor_ms / self.milliseconds


Case = tuple[str, str, float, Callable[[], object]]
"""Name, size, compulsory bytes, what to time."""


def copy_bandwidth(device: Device, megabytes: int, repeats: int) -> float:
    """Bytes per millisecond, read and written ones together, of a plain copy."""
    source, target = (device.filled((megabytes * 10**6,), np.uint8, 0) for _ in range(2))
    device.milliseconds(lambda: device.copy(target, source), 2)
    return 2 * source.nbytes / device.milliseconds(lambda: device.copy(target, source), repeats)


def kernel_speeds(device: Device, mesh: SkinMesh, faces: np.ndarray, *, tiny: bool = False) -> Iterator[KernelSpeed]:
    """Times every kernel; ``mesh`` and ``faces`` are the body that is skinned, voxelised and drawn.

    ``tiny``: sizes that the CPU gets through in seconds, to see that everything runs; the figures then say nothing.
    """
    bandwidth = copy_bandwidth(device, 1 if tiny else 1000, 2 if tiny else 20)
    for cases in (_voxels, _crops_and_heatmaps, _lifting, _bodies):
        for name, size, count, work in cases(device, mesh, faces, tiny):
            work()  # compiles and loads
            device.milliseconds(work, 1 if tiny else 5)
            elapsed = device.milliseconds(work, 1 if tiny else 50)
            yield KernelSpeed(
                name=name, size=size, megabytes=count / 1e6, milliseconds=elapsed, floor_ms=count / bandwidth
            )


def _voxels(device: Device, mesh: SkinMesh, faces: np.ndarray, tiny: bool) -> Iterator[Case]:
    batch, side = (1, 8) if tiny else (64, 128)
    shape = (batch, side, side, side)
    grid = device.upload(np.random.default_rng(0).random(shape, np.float32))
    views = batch * 2 * side**2 * 8
    silhouettes = voxel_project(grid)
    yield "voxel_project", f"{shape}", grid.nbytes + views, lambda: voxel_project(grid)
    yield (
        "voxel_project_backward",
        f"{shape}",
        grid.nbytes + views,
        lambda: voxel_project_backward(silhouettes.front, silhouettes.side, silhouettes),
    )
    camera = [2.0 * side, 2.0 * side, side / 2, side / 2, -1.0, -1.0, 3.0, 2.0 / side]
    cameras = device.upload(np.tile(np.array(camera, np.float32), (batch, 1)))
    pixels = batch * side**2 * 8
    yield "voxel_perspective", f"{shape}", grid.nbytes + pixels, lambda: voxel_perspective(grid, cameras, (side, side))


def _crops_and_heatmaps(device: Device, mesh: SkinMesh, faces: np.ndarray, tiny: bool) -> Iterator[Case]:
    cameras, people, size, width, height = (1, 2, 8, 64, 48) if tiny else (8, 64, 256, 1920, 1080)
    rng = np.random.default_rng(1)
    frames = [
        DevicePicture(
            pixels=device.upload(rng.integers(0, 256, (height, width), dtype=np.uint8)),
            chroma=device.upload(rng.integers(0, 256, (height // 2, width), dtype=np.uint8)),
            width=width,
        )
        for _ in range(cameras)
    ]
    side = height / 2
    centres = rng.uniform(side / 2, height - side / 2, (people, 2))
    affines, picture_of = square_affines(centres, np.full(people, side), size), np.arange(people) % cameras
    for wanted in (CropFormat(), CropFormat(dtype="float16", planar=True)):
        out = device.empty((people, 3, size, size) if wanted.planar else (people, size, size, 3), wanted.dtype)
        # What the crops see of NV12, 1.5 bytes per pixel, though crops that overlap share it in the cache.
        count = out.nbytes + people * side**2 * 1.5
        label = f"{people} of {cameras} NV12 {width}x{height} to {size} {wanted.dtype}"
        yield (
            "crop_normalize",
            label,
            count,
            lambda wanted=wanted, out=out: crop_pictures(frames, picture_of, affines, size, wanted, out=out),  # type: ignore[misc]
        )
    cells, bins = (8, 4) if tiny else (64, 64)
    maps = device.upload(rng.random((people, 41, cells, cells), np.float32))
    yield "decode_heatmaps", f"{maps.shape}", maps.nbytes + people * 41 * 12, lambda: decode_heatmaps(maps, 256.0)
    # Both halves are read, one is written.
    order = range(maps.shape[1])
    yield "average_mirror", f"{maps.shape}", maps.nbytes * 1.5, lambda: average_mirror(maps, order)
    volumes = device.upload(rng.random((max(people // 8, 1), 24, bins, cells, cells), np.float32))
    yield "decode_volumes", f"{volumes.shape}", volumes.nbytes, lambda: decode_volumes(volumes, 256.0)


def _lifting(device: Device, mesh: SkinMesh, faces: np.ndarray, tiny: bool) -> Iterator[Case]:
    count, cells, vertices = (1, 8, 20) if tiny else (256, 48, 1750)
    rng = np.random.default_rng(3)

    def random(*shape: int) -> DeviceArray:
        return device.upload(rng.random(shape, np.float32) + np.float32(0.1))

    views, points, depth = random(count, VIEW_FLOATS), random(count, 41, 3), random(count, 41)
    inputs, opening = random(count, 41, 5), random(count, 1)
    prepared = views.nbytes + points.nbytes + depth.nbytes + inputs.nbytes + opening.nbytes
    yield (
        "lift_prepare",
        f"{count} crops",
        prepared,
        lambda: lift_prepare(points, depth, views, inputs, opening, min_confidence=0.05, opening=(-3.3, 0.3)),
    )
    shapes = {"rotations": (24, 3, 3), "placement": (3,), "landmarks": (17, 3), "joints": (24, 3)}
    said = {name: random(count, *shape) for name, shape in shapes.items()}
    pose, place = random(count, 24, 3), random(count, 3)
    finished = sum(array.nbytes for array in (inputs, views, pose, place, *said.values()))
    yield "lift_finish", f"{count} bodies", finished, lambda: lift_finish(said, inputs, views, pose, place)
    splat, cameras, parts = random(count, vertices, 3), random(count, CAMERA_FLOATS), random(count, 16, cells, cells)
    counts = device.empty((count, 2), np.int32)
    agreed = splat.nbytes + cameras.nbytes + parts.nbytes + counts.nbytes
    label = f"{count} bodies of {vertices} vertices on {cells}x{cells}"
    yield "agreement", label, agreed, lambda: agreement(splat, cameras, parts, counts)


def _bodies(device: Device, mesh: SkinMesh, faces: np.ndarray, tiny: bool) -> Iterator[Case]:
    count, size, side = (1, 16, 8) if tiny else (256, 256, 128)
    there = DeviceSkinMesh.upload(mesh, device)
    rng = np.random.default_rng(2)
    # Upright in the camera frame and 3 m away.
    pose = rng.normal(0, 0.2, (count, 24, 3)).astype(np.float32)
    pose[:, 0] = [np.pi, 0, 0]
    parameters = [pose, rng.normal(size=(count, there.shape_count)), np.tile([0.0, 0.0, 3.0], (count, 1))]
    pose_there, betas, translation = (device.upload(np.asarray(a, np.float32)) for a in parameters)
    transforms, _ = body_transforms(pose_there, betas, translation, there)
    vertices = skin(transforms, betas, there)
    model = sum(array.nbytes for array in (there.template, there.shape_dirs, there.weights))
    bodies = f"{count} bodies of {there.vertex_count} vertices"
    work_transforms = pose_there.nbytes + transforms.nbytes * 5 / 4
    yield (
        "body_transforms",
        bodies,
        work_transforms,
        lambda: body_transforms(pose_there, betas, translation, there),
    )
    yield (
        "skin",
        bodies,
        vertices.nbytes + transforms.nbytes + model,
        lambda: skin(transforms, betas, there, out=vertices),
    )
    triangles = device.upload(np.asarray(faces, np.int32))
    origin = np.array([-1.2, -1.2, 1.8])
    grid = count * side**3
    yield (
        "voxelize",
        f"{bodies} to {side}^3",
        vertices.nbytes + triangles.nbytes + grid * (1 + 3 / 8),
        lambda: voxelize(vertices, triangles, origin=origin, voxel_size=2.4 / side, shape=(side, side, side)),
    )
    focal = np.tile(np.array([size, size, size / 2, size / 2], np.float32), (count, 1))
    cameras = device.upload(focal)
    yield (
        "raster",
        f"{bodies} at {size}x{size}",
        vertices.nbytes * 2 + triangles.nbytes * 2 + count * size**2 * (8 + 8 + 4 + 1 + 12),
        lambda: raster(vertices, triangles, cameras, (size, size)),
    )
