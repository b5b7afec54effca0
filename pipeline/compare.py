"""`bodystream compare SOURCE`: all methods on the same crops of a clip, as a table, a video and a report.

One method leads the tracker, all look at the same squares of the same frames, each with a smoother of its own. Where
the source knows the truth (`demo`), errors are measured, too.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from engines.body import load_body
from engines.methods import METHODS
from pipeline.compare_figures import MethodMeter, true_jitter
from pipeline.compare_gallery import Gallery, disagreement_mm
from pipeline.compare_methods import OthersSmoothed, SideBySide, open_methods
from pipeline.compare_pictures import sheet, with_side_views
from pipeline.compare_report import Comparison, text_table, write_report
from pipeline.config import RunConfig, load_config
from pipeline.errors import BodystreamError, OutputError, UsageError
from pipeline.estimator import Estimator
from pipeline.sinks.overlay import OverlayWriter
from pipeline.sources.base import Delivery, Source
from pipeline.sources.registry import create_source
from pipeline.types import FrameResult

VIDEO, REPORT, FIGURES = "side_by_side.mp4", "report.html", "compare.json"


def compare(source: Source, config: RunConfig, names: Sequence[str] | None, out: Path) -> Comparison:
    """Run everything over an opened source and write video, report and figures into ``out``."""
    body = load_body(config.body)
    methods, left_out = open_methods(names, config, body)
    with ExitStack() as stack:
        side = SideBySide(methods)
        estimator = Estimator(config, body, method=side, look_again=False)
        stack.callback(estimator.close)
        estimator.warm_up()
        side.forget_efforts()
        video = OverlayWriter(out / VIDEO, body, fps=source.fps or 30.0, max_side_px=0)
        stack.callback(video.close)
        order = list(methods)
        meters = {name: MethodMeter(body, source.fps) for name in order}
        others, gallery = OthersSmoothed(body, config.smoothing), Gallery()
        truth_of = getattr(source, "truth", None)
        truths, frames = [], 0
        with Progress(console=Console(stderr=True), disable=config.quiet, transient=True) as progress:
            total = getattr(source, "frame_count", None)
            task = progress.add_task("comparing", total=min(filter(None, (total, config.max_frames)), default=None))
            for frame in itertools.islice(source, config.max_frames):
                result = estimator.process(frame)
                seen = others.frames(result, side.found)
                truth = None if truth_of is None else truth_of(frame.index)
                truths += [] if truth is None else [truth]
                for name, one in seen.items():
                    meters[name].add(frame, one, truth)
                picture = sheet(frame, seen, order, body)
                if result.raw_bodies:
                    gallery.add(frame, picture)
                if gallery.wants_quarrel(frame.index, apart := disagreement_mm(seen)):
                    gallery.add_quarrel(frame.index, apart, with_side_views(picture, seen, order, body))
                video.write(_bare(result, picture))
                frames += 1
                progress.update(task, advance=1, description=f"frame {frame.index}")
    if not frames:
        raise BodystreamError(f"{source.spec} has no frame to compare anything on")
    efforts = {name: effort for name, effort in side.efforts.items() if name not in side.failed}
    report = Comparison(
        source=Path(source.spec).name,
        frames=frames,
        settings=f"Crops by the tracker of {order[0]}; smoothing {config.smoothing}, precision {config.precision}"
        + (f", points by {Path(config.keypoints).name}" if config.keypoints else ""),
        figures={
            name: meters[name].figures(
                1000 * e.total_s / e.people if e.people else float("nan"),
                1000 * e.own_s / e.people if e.people else float("nan"),
            )
            for name, e in efforts.items()
        },
        left_out=left_out,
        failed=side.failed,
        true_jitter=true_jitter(truths, source.fps or 30.0),
        pictures=gallery.pictures(),
        video=out / VIDEO,
    )
    write_report(out / REPORT, report)
    figures = {name: {k: None if v != v else v for k, v in asdict(row).items()} for name, row in report.figures.items()}
    calm = None if report.true_jitter != report.true_jitter else report.true_jitter
    saved = {"source": report.source, "frames": frames, "methods": figures, "true_jitter": calm}
    saved |= {"left_out": left_out, "failed": side.failed}
    (out / FIGURES).write_text(json.dumps(saved, indent=1) + "\n")
    return report


def _bare(result: FrameResult, picture: np.ndarray) -> FrameResult:
    return replace(result, frame=replace(result.frame, image=picture), bodies=(), raw_bodies=())


def main(argv: Sequence[str] | None = None) -> int:
    """Command line. Raises BodystreamError."""
    parser = argparse.ArgumentParser(prog="bodystream compare", description=__doc__.split("\n\n")[0])
    parser.add_argument("source", help="video, folder of pictures, or demo:seconds=8,people=2 (its truth is known)")
    parser.add_argument("--methods", help=f"comma-separated; default: all that can run here of {', '.join(METHODS)}")
    parser.add_argument("--out", type=Path, default=Path("runs/compare"), help="folder for report, video and figures")
    for flag, text in (
        ("max-frames", "stop after so many frames"),
        ("max-people", "at most so many people, the largest"),
        ("keypoints", "keypoint network in place of the trunk, PATH.onnx; leaves out methods that need the trunk"),
        ("fov", "horizontal field of view, degrees"),
        ("intrinsics", "fx,fy,cx,cy, pixels"),
        ("runtime", "as in `bodystream run`, like all below"),
        ("precision", "arithmetic of the networks"),
        ("threads", "threads of the networks"),
        ("smoothing", "filter over time"),
        ("body", "SMPL body model"),
    ):
        parser.add_argument(f"--{flag}", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress and no table")
    given = {name: value for name, value in vars(parser.parse_args(argv)).items() if value is not None}
    out: Path = given.pop("out")
    names = [name.strip() for name in given["methods"].split(",")] if "methods" in given else None
    given.pop("methods", None)
    config = load_config(None, given)
    ((spec, options),) = config.sources()
    with create_source(spec, options) as source:
        if source.delivery is not Delivery.BLOCK or source.knows_bodies:
            raise UsageError(f"{source.spec} cannot be compared on; name a video, a folder of pictures, or demo")
        source.open()
        try:
            out.mkdir(parents=True, exist_ok=True)
            report = compare(source, config, names, out)
        except OSError as error:
            raise OutputError(f"cannot write into {out}: {error.strerror or error}; choose another folder") from error
    if not config.quiet:
        print(text_table(report.figures))
        for title, reasons in (("left out", report.left_out), ("broke on the way", report.failed)):
            print("".join(f"{title}: {name}: {why}\n" for name, why in reasons.items()), end="")
        print(f"report: {out / REPORT}   video: {out / VIDEO}")
    return 0
