"""Everything worth knowing of a machine with a GPU in one call of under nine minutes:

    python -m pipeline.bench_gpu --out figures

Kernel tests on the device, kernels beside a plain copy, every shipped network (on TensorRT, or on torch with CUDA
graphs where that does not run) beside a plain matrix product and against OpenVINO in f32, the path on which frames stay
on the device, what fewer bits cost in millimetres, and the whole program over cameras. Writes gpu.json and gpu.md.
``--dry-run`` does the same on a CPU with tiny sizes: it shows that everything runs, its figures say nothing. A part
that fails is reported and the others still run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.bench_gpu_engines import engine_speed, usable_runtime
from pipeline.bench_gpu_path import numerics, open_device, path_speed

SECONDS = 520.0
"""For everything."""
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the report."""

    name: str
    rows: list[dict[str, Any]]
    """Of a table; every row has the same columns."""
    seconds: float
    error: str = ""


def _run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=max(seconds, 1.0)
    )


def kernel_tests(dry: bool, left: Callable[[], float]) -> list[dict[str, Any]]:
    """The kernel tests, on the device."""
    chosen = ["-k", "host and refusals"] if dry else ["-m", "needs_cuda", "tests/engines"]
    done = _run(["pytest", "-q", "-p", "no:cacheprovider", "tests/kernels", *chosen], min(left(), 180))
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        raise RuntimeError(
            "\n".join(line for line in lines if line.startswith(("FAILED", "ERROR"))) or done.stdout[-900:]
        )
    return [{"tests": "kernels", "result": lines[-1].strip("= ")}]


def kernel_speed(dry: bool, left: Callable[[], float]) -> list[dict[str, Any]]:
    """Each kernel and its share of the floor."""
    from engines.body import load_body
    from engines.body.skin_mesh import skin_mesh
    from kernels.speed import kernel_speeds

    device = open_device(dry)
    body, level = load_body(), 2 if dry else 0
    speeds = kernel_speeds(device, skin_mesh(body, level), body.faces[level], tiny=dry)
    return [asdict(speed) | {"share_of_floor": speed.share_of_floor} for speed in speeds]


def whole_program(dry: bool, left: Callable[[], float], out: Path) -> list[dict[str, Any]]:
    """`bodystream bench`: the curve over cameras, frames on the device."""
    flags = ["--max-frames", "4", "--streams", "2"]
    if not dry:
        flags = ["--runtime", usable_runtime(), "--precision", "f16", "--on-device", "--streams", "4"]
        flags += ["--max-frames", "150"]
    figures = out / "bench.json"
    done = _run(["pipeline.bench", "--cores", "0", "--json", str(figures), *flags], left() - 10)
    if done.returncode:
        raise RuntimeError(done.stderr[-900:])
    columns = ("streams", "fps", "sustained", "people_per_s", "ready_to_sent_p50_ms", "ready_to_sent_p99_ms", "busy")
    return [{key: run[key] for key in columns} for run in json.loads(figures.read_text())["streams"]]


def measure(dry: bool, out: Path, skip: Sequence[str] = ()) -> list[Part]:
    """Runs every part that is not skipped."""
    end = time.monotonic() + SECONDS
    parts: list[Part] = []
    jobs: dict[str, Callable[[bool, Callable[[], float]], Iterable[dict[str, Any]]]] = {
        "kernel tests": kernel_tests,
        "kernel speed": kernel_speed,
        "device path": lambda dry, left: path_speed(dry, left, open_device(dry)),
        "numerics": lambda dry, left: numerics(dry, left, open_device(dry)),
        "whole program": lambda dry, left: whole_program(dry, left, out),
        "engines": lambda dry, left: engine_speed(dry, left, open_device(dry)),
    }
    for name, job in jobs.items():
        if name in skip:
            continue
        start = time.monotonic()
        rows: list[dict[str, Any]] = []
        error = ""
        try:
            for row in job(dry, lambda: end - time.monotonic()):  # what was measured before a failure is kept
                rows.append(row)
        except Exception as failure:  # one part that cannot run must not take the others with it
            error = f"{type(failure).__name__}: {failure}"
        parts.append(Part(name, rows, time.monotonic() - start, error))
        print(f"{name}: {error or f'{len(rows)} rows'} ({parts[-1].seconds:.0f} s)", file=sys.stderr)
    return parts


def markdown(parts: Sequence[Part], dry: bool) -> str:
    """The report as a page."""
    lines = ["# GPU figures" + (" (dry run on a CPU: they say nothing)" if dry else ""), ""]
    for part in parts:
        lines += [f"## {part.name} ({part.seconds:.0f} s)", ""]
        if part.error:
            lines += [f"failed: {part.error}", ""]
        if part.rows:
            columns = list(part.rows[0])
            lines += ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
            lines += ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in part.rows]
            lines.append("")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 when every part ran."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.bench_gpu", description=__doc__.split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "runs/gpu")), help="default: $OUT")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on a CPU")
    parser.add_argument("--skip", action="append", default=[], help="name of a part to leave out; may be repeated")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    parts = measure(args.dry_run, args.out, args.skip)
    page = markdown(parts, args.dry_run)
    (args.out / "gpu.json").write_text(json.dumps([asdict(part) for part in parts], indent=1) + "\n")
    (args.out / "gpu.md").write_text(page)
    print(page)
    return int(any(part.error for part in parts))


if __name__ == "__main__":
    raise SystemExit(main())
