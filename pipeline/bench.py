"""`bodystream bench`: how fast the whole program is here, against published networks run on the same frames.

Plays a 1080p H.264 video of one person through the program as a user would run it (decode, networks, smoothing, wire,
pose log) and prints frames per second, milliseconds per stage and the time spent outside decoding and networks. With
``--teachers DIR`` it also times NanoDet + MoveNet Thunder + BlazePose heavy on the same frames and prints the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.bench_streams import curve, measure_streams, stream_counts
from pipeline.bench_video import bench_video
from pipeline.stopwatch import Stopwatch

TARGET_FPS = 25.0
TARGET_RATIO = 0.6
TARGET_OUTSIDE_MS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of the program; milliseconds are per processed frame, means over the run."""

    frames: int
    fps: float
    """Loading is not counted."""
    bodies_per_frame: float
    latency_p50_ms: float
    latency_p99_ms: float
    stage_ms: dict[str, float]
    """As in the run's own summary: means over the frames that went through the stage."""
    network_ms: dict[str, float]
    """Per network file, all its calls."""
    look_ms: float
    """What the next frame waits for: trunk, tracking, reading of points; networks included."""
    look_network_ms: float
    """Of this, the networks."""
    lift_ms: float
    """Beside the next frame's look: bodies, smoothing, and the locator; networks included."""
    sinks_ms: float
    """Publisher and recorder, on threads of their own, in processor time: what they wait for is the estimator."""
    look_outside_cpu_ms: float
    outside_cpu_ms: float
    """Like `look_outside_ms` and `outside_ms`, in processor time: where nothing else wants the processor."""

    @property
    def look_outside_ms(self) -> float:
        """What the rate of frames pays besides networks: threads of their own do the rest meanwhile."""
        return self.look_ms - self.look_network_ms

    @property
    def outside_ms(self) -> float:
        """What is neither decoding nor a network, of all threads together."""
        return self.look_ms + self.lift_ms - sum(self.network_ms.values()) + self.sinks_ms


def measure(source: str, *, flags: Sequence[str]) -> Measurement:
    """Run the program over a video, as fast as it will go. RuntimeError if it fails."""
    from engines.runtime.engine import Engine
    from pipeline.cli import main as run
    from pipeline.estimator import Estimator
    from pipeline.sinks.publisher import Publisher
    from pipeline.sinks.recorder import Recorder

    with tempfile.TemporaryDirectory(prefix="bodystream-bench-") as folder:
        summary_path = Path(folder) / "summary.json"
        argv = [
            "--source",
            source,
            "--publish",
            "tcp://127.0.0.1:*",
            "--record",
            str(Path(folder) / "poses.mcap"),
            "--quiet",
        ]
        argv += ["--summary", str(summary_path), *flags]
        with (
            Stopwatch(Engine, "__call__", key=lambda engine: engine.describe().model) as networks,
            Stopwatch(Estimator, "look") as look,
            Stopwatch(Estimator, "catch_up") as after,
            Stopwatch(Estimator, "lift") as lift,
            Stopwatch(Engine, "__call__", within=look) as looking_networks,
            Stopwatch(Publisher, "write") as publisher,
            Stopwatch(Recorder, "write") as recorder,
        ):
            code = run(["run", *argv])
        if code:
            raise RuntimeError(f"the run ended with exit code {code}: bodystream run {' '.join(argv)}")
        summary = json.loads(summary_path.read_text())
    frames = summary["frames_processed"]
    return Measurement(
        frames=frames,
        fps=summary["fps"],
        bodies_per_frame=summary["bodies"] / frames,
        latency_p50_ms=summary["latency_ms"]["p50"],
        latency_p99_ms=summary["latency_ms"]["p99"],
        stage_ms=summary["stage_ms"],
        network_ms={name: total / frames for name, total in networks.total_ms.items()},
        look_ms=look.total_ms.total() / frames,
        look_network_ms=looking_networks.total_ms.total() / frames,
        lift_ms=(lift.total_ms.total() + after.total_ms.total()) / frames,
        sinks_ms=(publisher.cpu_ms.total() + recorder.cpu_ms.total()) / frames,
        look_outside_cpu_ms=(look.cpu_ms.total() - looking_networks.cpu_ms.total()) / frames,
        outside_cpu_ms=(
            sum(watch.cpu_ms.total() for watch in (look, after, lift, publisher, recorder)) - networks.cpu_ms.total()
        )
        / frames,
    )


def measure_teachers(source: str, folder: Path, *, threads: int, max_frames: int) -> dict[str, float]:
    """Milliseconds per frame of each teacher on the decoded frames, pre- and post-processing included.

    NanoDet on every frame; MoveNet and one pass of BlazePose on the surest person: no more work than a tracker needs.
    """
    from engines.training.evaluate.teacher_labels import read_frames
    from engines.training.evaluate.teachers import BlazePose, MoveNet, NanoDet

    nanodet, movenet, blazepose = NanoDet(folder, threads), MoveNet(folder, threads), BlazePose(folder, threads)
    frames = 0
    with (
        Stopwatch(NanoDet, "__call__") as first,
        Stopwatch(MoveNet, "__call__") as second,
        Stopwatch(BlazePose, "once") as third,
    ):
        for image in read_frames(Path(source)):
            boxes = nanodet(image)
            for box in boxes[:1]:
                movenet(image, box[:4])
                blazepose.once(image, box[:4])
            frames += 1
            if frames == max_frames:
                break
    watches = {"nanodet": first, "movenet": second, "blazepose": third}
    return {name: sum(watch.total_ms.values()) / frames for name, watch in watches.items()}


def report(one: Measurement, teachers: dict[str, float] | None) -> str:
    """The table."""
    lines = [f"{one.frames} frames, {one.bodies_per_frame:.2f} bodies per frame", ""]
    lines.append(_line("frames per second", one.fps, "", f">= {TARGET_FPS:g}", one.fps >= TARGET_FPS))
    lines.append(_line("latency p50", one.latency_p50_ms, "ms"))
    lines.append(_line("latency p99", one.latency_p99_ms, "ms"))
    lines.append("outside decode and networks")
    for name, clock_ms, cpu_ms in (
        ("that the next frame waits for", one.look_outside_ms, one.look_outside_cpu_ms),
        ("all threads", one.outside_ms, one.outside_cpu_ms),
    ):
        lines.append(_line(f"  {name}", clock_ms, "ms", f"<= {TARGET_OUTSIDE_MS:g}", clock_ms <= TARGET_OUTSIDE_MS))
        lines.append(_line("    in processor time", cpu_ms, "ms"))
    lines += ["", "per frame"]
    lines += [_line(f"  network {name}", value, "ms") for name, value in sorted(one.network_ms.items())]
    lines += [_line(f"  stage {name}", value, "ms") for name, value in one.stage_ms.items()]
    if teachers:
        ours, theirs = 1000 / one.fps, sum(teachers.values())
        lines += ["", "teachers on the same frames, per frame"]
        lines += [_line(f"  {name}", value, "ms") for name, value in teachers.items()]
        lines.append(_line("  sum", theirs, "ms"))
        ratio = ours / theirs
        lines.append(_line("ours / teachers", ratio, "", f"<= {TARGET_RATIO:g}", ratio <= TARGET_RATIO))
    return "\n".join(lines)


def _line(name: str, value: float, unit: str, target: str = "", good: bool = True) -> str:
    verdict = f"  ({target}: {'yes' if good else 'NO'})" if target else ""
    return f"{name:<32} {value:9.2f} {unit}{verdict}"


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 when it ran, whatever the figures."""
    parser = argparse.ArgumentParser(prog="bodystream bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--source", help="video to play; default: one walker at 1080p, cut from the street clip")
    parser.add_argument(
        "--streams",
        type=stream_counts,
        default=[1],
        help="also play 1 to N cameras in real time, or 1,2,4,8: the curve",
    )
    parser.add_argument("--cores", type=int, default=2, help="processor cores to use (Linux); 0: all")
    parser.add_argument("--precision", default="int8", help="as in `bodystream run`")
    parser.add_argument("--runtime", default="auto", help="as in `bodystream run`")
    parser.add_argument("--max-people", type=int, default=1, help="people per stream")
    parser.add_argument("--max-frames", type=int, default=300, help="frames of each stream")
    parser.add_argument("--batch-wait", type=float, default=0.0, help="as in `bodystream run`")
    parser.add_argument("--on-device", action="store_true", help="as in `bodystream run`")
    parser.add_argument("--teachers", type=Path, help="folder with the teachers' ONNX files: compare with them")
    parser.add_argument("--json", type=Path, default=Path("runs/bench.json"), help="figures to write")
    args = parser.parse_args(argv)
    if args.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    source = args.source or str(bench_video())
    flags = ["--runtime", args.runtime, "--precision", args.precision, "--threads", str(cores)]
    flags += ["--max-people", str(args.max_people), "--max-frames", str(args.max_frames)]
    flags += ["--batch-wait", str(args.batch_wait)]
    flags += ["--on-device"] if args.on_device else []
    print(f"{source} on {cores} cores, {args.precision}", file=sys.stderr)
    one = measure(source, flags=flags)
    teachers = None
    if args.teachers:
        teachers = measure_teachers(source, args.teachers, threads=cores, max_frames=args.max_frames)
    print(report(one, teachers))
    figures: dict[str, Any] = {"source": Path(source).name, "cores": cores, "precision": args.precision}
    figures["run"] = asdict(one) | {"look_outside_ms": one.look_outside_ms, "outside_ms": one.outside_ms}
    if teachers:
        figures |= {"teachers_ms": teachers, "ratio": 1000 / one.fps / sum(teachers.values())}
    if args.streams != [1]:
        runs = [measure_streams(source, streams, flags) for streams in args.streams]
        print("\n" + curve(runs))
        figures["streams"] = [asdict(run) | {"sustained": run.sustained} for run in runs]
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"figures: {args.json}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
