"""Everything that is measured of a method and a preset, in one table:  ``python -m engines.training.evaluate``

Writes report.json, report.md and sheets of the worst cases into --out. Sections: `points` (the trunk on photographs),
`locator`, `photos` (the whole program on photographs), `synthetic` (rendered people), `motion` (a rendered video with
known truth, through the whole program), `outlines` (against masks), `crowds` (limb swaps), `clips` (real videos against
the keypoint teacher).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from engines.body import load_body
from engines.locator import Locator
from engines.methods import METHODS, WEIGHTS, create_method
from engines.methods.trunk_method import load_trunk
from engines.runtime import load_engine
from engines.training.evaluate import clips
from engines.training.evaluate.bodies import silhouette_figures, synthetic_figures
from engines.training.evaluate.crowds import crowd_table
from engines.training.evaluate.figure import Figure, json_rows, markdown_table, text_table
from engines.training.evaluate.locator import detection_accuracy
from engines.training.evaluate.photos import load_photographs, photo_scores, run_program, run_teacher
from engines.training.evaluate.sheets import WorstCase, write_sheet
from engines.training.evaluate.teachers import NanoDet
from engines.training.evaluate.trunk import STILL_PADDING, PointScores, breakdown, score_points, summed_up
from engines.training.locator_batches import load_photos
from engines.training.photos.person_crops import load_crops
from engines.training.synthetic_source import SyntheticSource
from engines.training.trunk_batches import PhotoSource, whole_batches
from kernels.decode_heatmaps import decode_heatmaps

Args = argparse.Namespace
MOTION = "demo:seconds=6,people=2"


def points(args: Args) -> list[Figure]:
    """The trunk as it is shipped, with its mirror image, on crops around true boxes: squares as of trainings, and those
    in which pictures that stand alone are read."""
    reader = load_trunk(args.preset, args.runtime, args.precision, args.threads, mirror=not args.fast)

    def predict(crops: np.ndarray) -> np.ndarray:
        return decode_heatmaps(reader.infer(crops)["heatmaps"], reader.size_px)

    found: list[Figure] = []
    crops = load_crops(args.cache, args.shared, "val")
    with closing(reader.engine):
        for name, human in (("coco_people", True), ("people", False)):
            scores = score_points(predict, crops, reader.size_px, human=human)
            total = summed_up(scores)
            found += [
                Figure(f"points on {name}", "people", total.people),
                Figure(f"points on {name}", "OKS", total.oks),
                Figure(f"points on {name}", "OKS above 0.5", total.oks_above_half, "%"),
                Figure(f"points on {name}", "PCK@0.2", total.pck, "%"),
                Figure(f"points on {name}", "PCK@0.2 limbs", total.pck_limbs, "%"),
            ]
            closer = summed_up(score_points(predict, crops, reader.size_px, human=human, padding=STILL_PADDING))
            found += [
                Figure(f"points on {name}", "OKS, squares of stills", closer.oks),
                Figure(f"points on {name}", "PCK@0.2, squares of stills", closer.pck, "%"),
            ]
            for words, value in breakdown(scores).items():
                if not human and ("hidden" in words or "visible" in words):
                    continue  # the teacher does not say
                found.append(Figure(f"points on {name}", words, value, "%" if words.startswith("PCK") else ""))
            if human:
                images = [batch.images for batch in whole_batches(PhotoSource(crops), 64, reader.size_px)]
                write_sheet(args.out / "worst_points.png", _worst_points(scores, np.concatenate(images)))
    return found


def _worst_points(scores: PointScores, images: np.ndarray) -> list[WorstCase]:
    cases = []
    for index in np.argsort(scores.oks)[:24]:
        drawn = np.column_stack([scores.predicted[index], scores.known[index]])
        cases.append(WorstCase(images[scores.row[index]], drawn, scores.truth[index], f"OKS {scores.oks[index]:.2f}"))
    return cases


def locator(args: Args) -> list[Figure]:
    """The locator as it is shipped beside NanoDet, on the photographs of `coco_people`."""
    photos = load_photos(args.shared, "val", folders=("coco_people",))
    engine = load_engine(WEIGHTS / f"locator-{args.preset}.onnx", args.runtime, args.precision, args.threads)
    with closing(engine):
        side = engine.inputs[0].shape[1]
        assert side is not None
        ours = Locator(engine, side, min_score=0.03)
        looks = {"one look": detection_accuracy(ours, photos)}
        looks["a search"] = detection_accuracy(_Detects(ours.search), photos)
    theirs = None
    if args.teachers:
        teacher = NanoDet(args.teachers, args.threads or 1)
        theirs = detection_accuracy(_Detects(lambda image: teacher(image, 0.03)), photos)
    found = [Figure("locator", "people", looks["one look"].people)]
    for name in ("average_precision", "recall_at_one_false_alarm", "recall_at_tenth"):
        beside = getattr(theirs, name) if theirs else float("nan")
        words = name.replace("_", " ").replace("at tenth", "at one false alarm in ten")
        for look, accuracy in looks.items():
            found.append(Figure("locator", f"{words}, {look}", getattr(accuracy, name), "%", beside, "NanoDet"))
    return found


def photos(args: Args) -> list[Figure]:
    """The whole program on the photographs of `coco_people`, beside NanoDet and MoveNet Thunder."""
    photographs = load_photographs(args.shared)
    flags = ["--method", args.method, "--runtime", args.runtime, "--precision", args.precision]
    flags += ["--threads", str(args.threads), "--mirror", "never" if args.fast else "auto"]
    flags += ["--keypoints", str(args.keypoints)] if args.keypoints else []
    ours = photo_scores(photographs, run_program(photographs, args.out, flags))
    theirs = photo_scores(photographs, run_teacher(photographs, args.teachers)) if args.teachers else None
    found = [Figure("photographs", "people", ours.people)]
    for name, words, unit in (
        ("found", "people with a body", "%"),
        ("oks", "OKS, missed people 0", ""),
        ("pck", "PCK@0.2, missed people 0", "%"),
        ("average_precision", "AP of keypoints", "%"),
    ):
        beside = getattr(theirs, name) if theirs else float("nan")
        found.append(Figure("photographs", words, getattr(ours, name), unit, beside, "NanoDet and Thunder"))
    return found


class _Detects:
    def __init__(self, detect: Callable[[np.ndarray], np.ndarray]) -> None:
        self.detect = detect


def _method(args: Args):
    options = {"runtime": args.runtime, "precision": args.precision, "threads": args.threads, "mirror": not args.fast}
    return create_method(args.method, body=load_body(), preset=args.preset, keypoints=args.keypoints, **options)


def synthetic(args: Args) -> list[Figure]:
    """The method on the factory's validation shards."""
    with closing(_method(args)) as method:
        found, worst = synthetic_figures(method, SyntheticSource(args.synthetic, "val"), load_body(), args.limit)
    write_sheet(args.out / "worst_bodies.png", worst)
    return found


def outlines(args: Args) -> list[Figure]:
    """The method on photographs with masks."""
    with closing(_method(args)) as method:
        return silhouette_figures(method, load_crops(args.cache, args.shared, "val"), load_body())


def motion(args: Args) -> list[Figure]:
    """The whole program, in a process of its own, on a rendered video."""
    out = args.out / "motion"
    command = [sys.executable, "-m", "pipeline.cli", "compare", MOTION, "--methods", args.method, "--out", str(out)]
    command += ["--runtime", args.runtime, "--precision", args.precision, "--threads", str(args.threads), "--quiet"]
    command += ["--keypoints", str(args.keypoints)] if args.keypoints else []
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    saved = json.loads((out / "compare.json").read_text())
    row = {key: float("nan") if value is None else value for key, value in saved["methods"][args.method].items()}
    truth = saved["true_jitter"] if saved["true_jitter"] is not None else float("nan")
    section = "rendered video"
    return [
        Figure(section, "PA-MPJPE", row["pa_mpjpe_mm"], "mm"),
        Figure(section, "MPJPE", row["mpjpe_mm"], "mm"),
        Figure(section, "PVE", row["pve_mm"], "mm"),
        Figure(section, "jitter", row["jitter"], "m/s³", truth, "the truth's"),
        Figure(section, "jitter before smoothing", row["jitter_raw"], "m/s³", truth, "the truth's"),
        Figure(section, "time per person", row["ms_per_person"], "ms"),
    ]


def crowds(args: Args) -> list[Figure]:
    """The trunk where people overlap, each crop read alone beside it."""
    source = SyntheticSource(args.synthetic, "val")
    table = crowd_table(source, args.shared, args.limit or 150, args.preset, args.threads)
    found = []
    for kind in ("photographs", "pasted"):
        parted, alone = table[f"{kind}, parted"], table[f"{kind}, each alone"]
        for words, name in (("limbs swapped", "swapped"), ("limbs right", "right")):
            figure = Figure(
                "crowds", f"{words}, {kind}", getattr(parted, name), "%", getattr(alone, name), "each alone"
            )
            found.append(figure)
    return found


def clip_agreement(args: Args) -> list[Figure]:
    """`engines.training.evaluate.clips` with this method."""
    if not args.teachers:
        raise FileNotFoundError("the clips are compared with the teachers: name their folder with --teachers")
    out = args.out / "clips"
    flags = ["--method", args.method, "--precision", args.precision, "--threads", str(args.threads)]
    flags += ["--keypoints", str(args.keypoints)] if args.keypoints else []
    clips.main(
        ["--clips", str(args.shared / "data" / "clips"), "--teachers", str(args.teachers), "--out", str(out),
         "--cache", str(args.cache / "teacher"), "--", *flags]
    )  # fmt: skip
    rows = json.loads((out / "clips.json").read_text())["clips"]
    found = []
    for clip, row in rows.items():
        for words, key in (
            ("frames with a body", "frames_with_body"),
            ("keypoints", "keypoints_within"),
            ("landmarks", "landmarks_within"),
        ):
            found.append(Figure(f"clip {clip}", words, row[key], "%"))
        found.append(
            Figure(
                f"clip {clip}",
                "jitter, 1e-3 torso/frame²",
                1000 * row["jitter"],
                "",
                1000 * row["teacher_jitter"],
                "teacher",
            )
        )
    return found


SECTIONS: dict[str, Callable[[Args], list[Figure]]] = {
    "points": points,
    "locator": locator,
    "photos": photos,
    "synthetic": synthetic,
    "motion": motion,
    "outlines": outlines,
    "crowds": crowds,
    "clips": clip_agreement,
}


def main(argv: list[str] | None = None) -> int:
    """Command line; see --help. Sections that fail are named at the end, and the exit code is 1."""
    parser = argparse.ArgumentParser(
        prog="python -m engines.training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--method", default="bilayer", choices=list(METHODS))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--shared", type=Path, required=True, help="folder of the training material")
    parser.add_argument("--cache", type=Path, required=True, help="folder of cut crops and teachers' labels")
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of factory shards")
    parser.add_argument("--teachers", type=Path, help="folder of the teachers' ONNX files; default: in --shared")
    parser.add_argument("--keypoints", type=Path, help="keypoint network in place of the trunk, for the bodies")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--limit", type=int, help="only so many rendered people and pasted crowds")
    parser.add_argument("--fast", action="store_true", help="without mirror images")
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/evaluate"))
    args = parser.parse_args(argv)
    default_teachers = args.shared / "data" / "teachers"
    args.teachers = args.teachers or (default_teachers if default_teachers.is_dir() else None)
    args.out.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    failed: dict[str, str] = {}
    for name in args.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            figures += SECTIONS[name](args)
        except (OSError, RuntimeError, ValueError) as error:
            failed[name] = f"{type(error).__name__}: {error}"
        title = f"{args.method} {args.preset}" + (f", points by {args.keypoints.name}" if args.keypoints else "")
        saved = {"method": args.method, "preset": args.preset, "figures": json_rows(figures), "failed": failed}
        (args.out / "report.json").write_text(json.dumps(saved, indent=1) + "\n")
        (args.out / "report.md").write_text(f"# Evaluation of {title}\n\n{markdown_table(figures)}")
    if figures:
        print(text_table(figures))
    for name, why in failed.items():
        print(f"{name} failed: {why}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
