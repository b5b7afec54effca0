"""The product against the keypoint teacher on real clips.

    python -m engines.training.evaluate.clips --clips DIR --teachers DIR [--method smplr] [--out runs/clips] [-- ...]

Runs `run_stream` on every clip with --record, in a process of its own, as a user would; reads the pose logs back; and
compares them with NanoDet + MoveNet Thunder, whose labels are kept in the cache. What follows `--` goes to the product.
Three kinds of points are compared: ``keypoints`` (the 2D points of the log), ``joints`` (the body's 3D joints,
projected) and ``landmarks`` (surface points of the posed mesh, projected). The teacher puts hips and shoulders on the
surface, so ``joints`` carry a constant offset that ``landmarks`` do not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engines.body import BodyModel, load_body
from engines.methods import METHODS
from engines.training.evaluate.agreement import (
    LIMB_JOINTS,
    LIMB_POINTS,
    Matches,
    confident_limbs,
    jitter_torsos,
    limb_errors,
    match_clip,
    share_within,
)
from engines.training.evaluate.limb_swaps import longest_swap
from engines.training.evaluate.pose_log import LoggedBody, LoggedFrame, read_pose_log
from engines.training.evaluate.teacher_labels import TeacherLabels, cached_labels

TARGET_FRAMES, TARGET_POINTS = 0.90, 0.70
VIDEO_SUFFIXES = {".mp4", ".mkv", ".mov", ".avi", ".webm"}
SHEET_FRAMES = 10
COLUMNS = (
    ("frames", "frames_with_body"),
    ("people", "people_found"),
    ("keypoints", "keypoints_within"),
    ("joints", "joints_within"),
    ("landmarks", "landmarks_within"),
    ("landm. strict", "landmarks_within_strict"),
    ("2D swap", "keypoints_longest_swap"),
    ("mesh swap", "landmarks_longest_swap"),
    ("jitter", "jitter"),
    ("teacher", "teacher_jitter"),
)


def record_clip(clip: Path, log: Path, extra: Sequence[str]) -> None:
    """Run the product over a clip. RuntimeError with its last words where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "run_stream", "--source", str(clip), "--record", str(log), *extra]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")


def limbs_of(kind: str, frame: LoggedFrame, body: LoggedBody, model: BodyModel) -> np.ndarray:
    """(12, 2) pixels: a body's limb points, ``kind`` being keypoints, joints or landmarks."""
    if kind == "keypoints":
        return body.coco_px[LIMB_POINTS, :2]
    if kind == "joints":
        return frame.camera.project(body.joints[LIMB_JOINTS, :])
    posed = model.forward(body.pose[None], body.betas[None], body.translation[None])
    return frame.camera.project(model.coco(posed.vertices)[0, LIMB_POINTS])


def compare(
    log: Mapping[int, LoggedFrame], labels: TeacherLabels, model: BodyModel
) -> tuple[dict, Matches, np.ndarray]:
    """Figures of one clip, the matches they rest on, and the (P, 12) errors of the landmarks in torso lengths."""
    teacher = {int(frame): list(labels.people(frame)) for frame in np.unique(labels.frame)}
    matches = match_clip(teacher, {i: [body.coco_px for body in frame.bodies] for i, frame in log.items()})
    bodies = [(log[pair.frame], log[pair.frame].bodies[pair.body]) for pair in matches.pairs]
    tracks = [body.track_id for _, body in bodies]
    missed_points = sum(int(confident_limbs(person).sum()) for _, person in matches.missed)
    row: dict[str, float] = {
        "clip_frames": labels.frames,
        "frames_processed": len(log),
        "teacher_frames": matches.teacher_frames,
        "frames_with_body": matches.body_frames / matches.teacher_frames if matches.teacher_frames else float("nan"),
        "people_found": len(matches.pairs) / matches.teacher_people if matches.teacher_people else float("nan"),
    }
    errors = np.empty((0, len(LIMB_POINTS)))
    for kind in ("keypoints", "joints", "landmarks"):
        limbs = [limbs_of(kind, frame, body, model) for frame, body in bodies]
        errors = limb_errors(matches.pairs, limbs)
        row[f"{kind}_within"] = share_within(errors)
        row[f"{kind}_within_strict"] = share_within(errors, missed_points)
        row[f"{kind}_longest_swap"] = longest_swap(matches.pairs, tracks, limbs)
        if kind == "landmarks":
            row["jitter"] = jitter_torsos(matches.pairs, tracks, limbs)
    teacher_limbs = [pair.teacher[LIMB_POINTS, :] for pair in matches.pairs]
    row["teacher_jitter"] = jitter_torsos(matches.pairs, tracks, teacher_limbs)
    return row, matches, errors


def worst_frames(matches: Matches, errors: np.ndarray, count: int = SHEET_FRAMES) -> list[tuple[int, float]]:
    """(frame, error) of the frames with the largest mean error in torso lengths, worst first, one person each."""
    worst: dict[int, float] = {}
    for pair, row in zip(matches.pairs, errors, strict=True):
        if np.isfinite(row).any():
            worst[pair.frame] = max(worst.get(pair.frame, 0.0), float(np.nanmean(row)))
    return sorted(worst.items(), key=lambda item: -item[1])[:count]


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """The figures as text; shares in percent, swaps in frames, jitter in thousandths of a torso length per frame^2."""
    width = max(len(name) for name in rows)
    lines = [" ".join([" " * width, *(f"{title:>13}" for title, _ in COLUMNS)])]
    for name, row in rows.items():
        lines.append(" ".join([f"{name:<{width}}", *(_cell(key, row[key]) for _, key in COLUMNS)]))
    return "\n".join(lines)


def _cell(key: str, value: float) -> str:
    if key.endswith("_swap"):
        return f"{value:13d}"
    return f"{1000 * value:13.1f}" if "jitter" in key else f"{100 * value:12.1f}%"


def failures(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What misses its target, one line each."""
    found = []
    for name, row in rows.items():
        if row["frames_processed"] < row["clip_frames"]:
            found.append(f"{name}: {row['frames_processed']} of {row['clip_frames']} frames were processed")
        if not row["frames_with_body"] >= TARGET_FRAMES:
            found.append(f"{name}: a body in {row['frames_with_body']:.1%} of the frames, target {TARGET_FRAMES:.0%}")
        for kind in ("keypoints", "landmarks"):
            if not row[f"{kind}_within"] >= TARGET_POINTS:
                found.append(f"{name}: {kind} within reach {row[f'{kind}_within']:.1%}, target {TARGET_POINTS:.0%}")
    return found


def draw_worst(worst: Sequence[tuple[str, int, float]], out: Path) -> Path:
    """The worst frames of all clips as drawings of the mesh alone, by the product's own sheet command."""
    spec = [f"{out / f'{clip}.mcap'}:{frame}" for clip, frame, _ in worst[:SHEET_FRAMES]]
    sheet = out / "worst_frames.png"
    subprocess.run([sys.executable, "-m", "pipeline.log_sheet", "--out", str(sheet), *spec], check=True)
    return sheet


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; 0 if every clip meets the targets, else 1."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos, or one video")
    parser.add_argument("--teachers", type=Path, required=True, help="folder of the teachers' ONNX files")
    parser.add_argument("--method", default="bilayer", choices=list(METHODS))
    parser.add_argument("--out", type=Path, default=Path("runs/clips"), help="pose logs, figures, sheet")
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher"), help="where the teacher's labels are kept")
    parser.add_argument("--reuse", action="store_true", help="compare the logs that are in --out already")
    parser.add_argument("--threads", type=int, default=2, help="threads of the teachers")
    args = parser.parse_args(arguments[:split])
    found = [args.clips] if args.clips.is_file() else sorted(args.clips.glob("*"))
    clips = [clip for clip in found if clip.suffix.lower() in VIDEO_SUFFIXES]
    if not clips:
        parser.error(f"no video in {args.clips}")
    model = load_body()
    rows: dict[str, dict] = {}
    worst: list[tuple[str, int, float]] = []
    for clip in clips:
        log = args.out / f"{clip.stem}.mcap"
        if not (args.reuse and log.is_file()):
            record_clip(clip, log, ["--method", args.method, *arguments[split + 1 :]])
        labels = cached_labels(clip, args.teachers, args.cache, args.threads)
        rows[clip.stem], matches, errors = compare(read_pose_log(log), labels, model)
        worst += [(clip.stem, frame, error) for frame, error in worst_frames(matches, errors)]
    worst.sort(key=lambda item: -item[2])
    print(table(rows))
    missed = failures(rows)
    print("\n".join(missed) if missed else "all clips meet their targets")
    report = {"clips": rows, "worst_frames": worst[:SHEET_FRAMES], "missed_targets": missed}
    (args.out / "clips.json").write_text(json.dumps(report, indent=1) + "\n")
    if worst:
        print(f"worst frames, the mesh alone: {draw_worst(worst, args.out)}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
