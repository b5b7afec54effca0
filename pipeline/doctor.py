"""`bodystream doctor`: what is installed, which runtime will be used, how fast this machine is and what limits it.

Takes a few seconds per network, at most 20 in all; needs no camera and no network connection.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

import engines
from pipeline.installation import USES, installed_extras

BUDGET_S = 20.0
"""Networks that are not reached in this time are listed without a speed."""
DECODE_FRAMES = 45
WEIGHTS = Path(engines.__file__).parent / "weights"
DEFAULT_NETWORKS = ("trunk-small", "bilayer-small", "locator-small")
"""What `bodystream run` uses unless told otherwise; the first two run on every frame, the locator now and then."""


def machine() -> Iterator[str]:
    """Processor, memory of precision, GPU."""
    from engines.runtime.cuda_device import find_cuda_device

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    try:
        import openvino

        core = openvino.Core()
        abilities = ", ".join(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        yield f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} ({abilities})"
    except Exception as error:
        yield f"OpenVINO does not start: {error}; pip install --force-reinstall openvino"
    yield f"GPU: {find_cuda_device() or 'no CUDA GPU, the networks run on the CPU'}"


def packages() -> Iterator[str]:
    """Installed packages and what each missing extra would add."""
    try:
        extras = installed_extras()
    except importlib.metadata.PackageNotFoundError:
        yield "bodystream itself is not installed; in the checkout: pip install -e ."
        return
    for extra in extras:
        if not extra.name:
            yield "needed: " + ", ".join(f"{name} {version}" for name, version in extra.installed.items())
            if extra.missing:
                yield f"MISSING: {', '.join(extra.missing)}; {extra.remedy}"
        elif extra.complete:
            yield f"extra {extra.name}: installed ({USES.get(extra.name, 'optional')})"
        else:
            yield f"extra {extra.name}: not installed; {USES.get(extra.name, 'optional')}: {extra.remedy}"


def network_speeds(runtime: str, deadline_s: float) -> tuple[list[str], dict[str, float]]:
    """Load and time each shipped network at batch 1 -> (lines, milliseconds per network)."""
    from engines.runtime.engine import EngineError
    from engines.runtime.load import load_engine

    lines, speeds = [], {}
    found = {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx")) if not path.stem.endswith(".int8")}
    missing = [name for name in DEFAULT_NETWORKS if name not in found]
    if missing:
        lines.append(f"MISSING: {', '.join(missing)} in {WEIGHTS}; the checkout is incomplete, fetch it again")
    paths = sorted(found.values(), key=lambda path: path.stem not in DEFAULT_NETWORKS)
    for path in paths:
        if time.monotonic() > deadline_s:
            lines.append(f"{path.stem}: not timed, the {BUDGET_S:.0f} s are over")
            continue
        try:
            with load_engine(path, runtime) as engine:  # type: ignore[arg-type]
                about = engine.describe()
                inputs = {s.name: np.zeros([size or 1 for size in s.shape], s.dtype) for s in engine.inputs}
                speeds[path.stem] = _median_ms(partial(engine, inputs), 12)
                lines.append(f"{path.stem}: {speeds[path.stem]:.1f} ms, {about.runtime} {about.precision}")
        except EngineError as error:
            lines.append(f"{path.stem}: {error}")
    return lines, speeds


def decode_ms() -> float:
    """Milliseconds to decode one 1080p H.264 picture to RGB, as the file source does it."""
    import av

    from pipeline.sources import open_source

    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (135, 300, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with tempfile.TemporaryDirectory(prefix="bodystream-doctor-") as folder:
        path = Path(folder) / "probe.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
            for index in range(DECODE_FRAMES):
                picture = np.ascontiguousarray(ground[:, 8 * index : 8 * index + 1920])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
        source = open_source(str(path))
        try:
            started_s = time.perf_counter()
            frames = sum(1 for _ in iter(source.read, None))
            return 1000 * (time.perf_counter() - started_s) / frames
        finally:
            source.close()


def wire_ms() -> float:
    """Milliseconds to encode and decode one frame message with one body."""
    from pipeline.wire import FrameMessage, WireBody, decode, encode

    rotations = np.tile(np.array([1, 0, 0, 0], np.float32), (24, 1))
    body = WireBody(
        track_id=1,
        score=0.9,
        quality=0.8,
        translation=np.array([0, 0, 3], np.float32),
        rotations=rotations,
        betas=np.zeros(10, np.float32),
    )
    message = FrameMessage(
        stream="doctor",
        epoch=1,
        sequence=1,
        capture_ns=1,
        publish_us=1,
        frame=1,
        pts_ms=33,
        image_size=(1920, 1080),
        camera=(1800.0, 1800.0, 960.0, 540.0),
        camera_assumed=True,
        bodies=(body,),
    )
    return _median_ms(lambda: decode(encode(message)), 50)


def limit(speeds: dict[str, float], decoding_ms: float) -> str:
    """What bounds the frames per second of one person at 1080p, from the figures above."""
    networks_ms = sum(speeds[name] for name in DEFAULT_NETWORKS[:2])
    slower, name = max((networks_ms, "the networks"), (decoding_ms, "decoding"))
    most = 1000 / max(slower, 1e-3)
    return (
        f"one person at 1080p: at most about {most:.0f} frames/s with a core for decoding; {name} set the limit "
        f"(networks {networks_ms:.1f} ms, decoding {decoding_ms:.1f} ms)"
    )


def _median_ms(call: Callable[[], object], count: int) -> float:
    call()
    spans = []
    for _ in range(count):
        started_s = time.perf_counter()
        call()
        spans.append(1000 * (time.perf_counter() - started_s))
    return statistics.median(spans)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 if the program can run here, else 1."""
    parser = argparse.ArgumentParser(prog="bodystream doctor", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runtime", default="auto", choices=("auto", "openvino", "tensorrt", "torch"))
    args = parser.parse_args(argv)
    deadline_s = time.monotonic() + 0.6 * BUDGET_S
    _print("Machine", machine())
    _print("Packages", packages())
    lines, speeds = network_speeds(args.runtime, deadline_s)
    _print("Networks, one person", lines)
    decoding_ms = decode_ms()
    _print("Around them", [f"decoding 1080p H.264: {decoding_ms:.1f} ms", f"wire, both ways: {wire_ms():.2f} ms"])
    if not speeds.keys() >= set(DEFAULT_NETWORKS):
        _print("Verdict", ["`bodystream run` will not work here: the lines above say why"])
        return 1
    _print("Verdict", [limit(speeds, decoding_ms), "measure the whole program: bodystream bench"])
    return 0


def _print(title: str, lines: Iterator[str] | Sequence[str]) -> None:
    print(title, *(f"  {line}" for line in lines), "", sep="\n")


if __name__ == "__main__":
    raise SystemExit(main())
