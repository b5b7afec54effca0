"""The path on which frames stay on the device: latency of one person, people per second of a crowd, and how far bodies
move when the networks run in fewer bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engines.body import load_body
from engines.camera import Intrinsics
from engines.methods.device_path import DevicePath
from engines.runtime import Precision, Runtime, load_engine
from kernels.device import Device
from kernels.launch.crop_pictures import DevicePicture
from pipeline.bench_gpu_engines import FOLDER, LEAST_S, usable_runtime

Precisions = tuple[Precision, Precision]
"""Of the trunk and of the lifter."""


def _path(
    runtime: Runtime, precisions: Precisions, device: Device, people: int | None, mirror: bool = False
) -> DevicePath:
    trunk, lifter = (
        load_engine(FOLDER / f"{name}-small.onnx", runtime, precision, 0 if device.is_gpu else 1)
        for name, precision in zip(("trunk", "bilayer"), precisions, strict=True)
    )
    return DevicePath(trunk, lifter, load_body(), device, mirror=mirror, most_people=people)


def _scene(device: Device, people: int, dry: bool) -> tuple[Any, ...]:
    """A rendered person (dry: the test pattern's), seen by crops around it: what `DevicePath` takes."""
    from pipeline.sources import open_source

    with open_source("test:seconds=1,size=160x120" if dry else "demo:seconds=1,people=1") as source:
        frame = source.read()
        assert frame is not None
        low, high = np.zeros(2), np.array(frame.size, float)
        if not dry:
            joints = frame.intrinsics.project(source.truth(0)[0].joints)  # type: ignore[attr-defined]
            low, high = joints.min(0), joints.max(0)
    image = np.asarray(frame.image)
    picture = DevicePicture(pixels=device.upload(image.reshape(len(image), -1)), width=image.shape[1])
    shift = np.random.default_rng(0).uniform(-8, 8, (people, 2))
    centers, sides = (low + high) / 2 + shift, np.full(people, 1.3 * (high - low).max())
    intrinsics: list[Intrinsics] = [frame.intrinsics] * people
    return [picture], np.zeros(people, int), intrinsics, centers, sides


def path_speed(dry: bool, left: Callable[[], float], device: Device) -> Iterator[dict[str, Any]]:
    """Frame on the device -> parameters on the host, in the host's time, waiting included."""
    runtime: Runtime = "openvino" if dry else usable_runtime()
    trunk: Precision = "f32" if dry else "f16"
    for mirror in (False, True):
        path = _path(runtime, (trunk, "f32"), device, 1 if dry else None, mirror)
        for people in (1,) if dry else (1, 16, path.most_people):
            if left() < LEAST_S and not dry:
                raise TimeoutError(f"no time left for {people} people")
            scene = _scene(device, people, dry)
            times = []
            for _ in range(0 if dry else 20):  # whatever is made at first use
                path(*scene)
            for _ in range(2 if dry else 300):
                start = time.perf_counter()
                path(*scene)
                times.append((time.perf_counter() - start) * 1e3)
            p50, p99 = np.quantile(times, [0.5, 0.99]).tolist()
            row = {"runtime": runtime, "precision": trunk, "mirror": mirror, "people": people, "p50_ms": p50}
            yield row | {"p99_ms": p99, "people_per_s": people / np.mean(times) * 1e3}


def numerics(dry: bool, left: Callable[[], float], device: Device) -> Iterator[dict[str, Any]]:
    """Mean distance of joints from those of the same path in f32, millimetres, pelvis on pelvis (MPJPE)."""
    people = 1 if dry else 16
    runtime: Runtime = "openvino" if dry else usable_runtime()
    scene = _scene(device, people, dry)
    reference = None
    wanted: tuple[Precisions, ...] = (("f32", "f32"), ("f16", "f32"), ("f16", "f16"), ("int8", "f32"))
    if dry:
        wanted = (("f32", "f32"), ("int8", "f32"))
    elif runtime == "torch":
        wanted = wanted[:3]
    for precisions in wanted:
        if left() < LEAST_S and not dry:
            raise TimeoutError(f"no time left for {precisions}")
        bodies = _path(runtime, precisions, device, people)(*scene).bodies
        joints = bodies.joints - bodies.translation[:, None]
        reference = joints if reference is None else reference
        apart = np.linalg.norm(joints - reference, axis=-1).mean() * 1e3
        row: dict[str, Any] = {"runtime": runtime, "trunk": precisions[0], "lifter": precisions[1]}
        yield row | {"mm_from_f32": float(apart)}


def open_device(dry: bool, cache: Path | None = None) -> Device:
    """The GPU, or its twin on the CPU for a dry run. Raises DeviceError."""
    if dry:
        from kernels.host_device import HostDevice

        return HostDevice("", cache)
    from kernels.cuda_device import first_gpu

    return first_gpu()
