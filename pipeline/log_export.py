"""Pose logs as CSV, Parquet and AMASS-style npz."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from engines.body.rotations import rotation_matrices, rotation_vectors
from engines.keypoints import JOINT_NAMES
from pipeline.errors import MissingExtraError
from pipeline.log import LogError, PoseLog
from pipeline.log_format import BodyMessage, FrameMessage

T_WORLD_CAMERA = np.diag([1.0, -1.0, -1.0])
"""Camera frame (y down, z forward) -> the world of the npz: y up, the camera at its origin, looking along -z."""

_FRAME_COLUMNS = ["stream", "frame", "timestamp_ns", "pts_s"]
_BODY_COLUMNS = ["track_id", "score", "quality", "box_x0_px", "box_y0_px", "box_x1_px", "box_y1_px"]


def export_log(log: PoseLog, target: str | Path) -> list[Path]:
    """Write ``log`` in the format that the suffix of ``target`` names (.csv, .parquet, .npz); the files written.

    Raises LogError for another suffix or a file that cannot be written, MissingExtraError where pyarrow is missing.
    """
    target = Path(target)
    writers = {".csv": _write_csv, ".parquet": _write_parquet, ".npz": _write_npz}
    if target.suffix not in writers:
        raise LogError(f"cannot export to {target}: the suffix must be one of {', '.join(writers)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return writers[target.suffix](log, target)
    except OSError as error:
        raise LogError(f"cannot write {target}: {error.strerror}; choose a folder you may write to") from error


def columns(log: PoseLog) -> list[str]:
    """Column names of a table with one row per body and frame; units are in the names."""
    joints = [f"{name}_{axis}_m" for name in log.joint_names for axis in "xyz"]
    pose = [f"{name}_r{axis}_rad" for name in log.joint_names for axis in "xyz"]
    points = [f"{name}_{part}" for name in log.keypoint_names for part in ("x_px", "y_px", "confidence")]
    betas = [f"beta{i}" for i in range(10)]
    place = [f"translation_{axis}_m" for axis in "xyz"]
    return _FRAME_COLUMNS + _BODY_COLUMNS + place + joints + pose + betas + [f"point_{name}" for name in points]


def rows(frames: Iterable[FrameMessage]) -> Iterator[list[object]]:
    """The rows of that table; a frame with nobody in it has none."""
    for frame in frames:
        for body in frame.bodies:
            yield [
                frame.stream, frame.frame, frame.timestamp_ns, frame.pts_s,
                body.track_id, body.score, body.quality, *body.box_xyxy, *body.translation,
                *_flat(body.joints_3d), *_flat(body.pose), *body.betas, *_flat(body.keypoints_2d),
            ]  # fmt: skip


def amass_arrays(log: PoseLog) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Per (stream, track id) the arrays of an AMASS file, see `_write_npz`."""
    tracks: dict[tuple[str, int], list[tuple[FrameMessage, BodyMessage]]] = {}
    for frame in log.frames:
        for body in frame.bodies:
            tracks.setdefault((frame.stream, body.track_id), []).append((frame, body))
    period = {stream: _period_s(log, stream) for stream in {frame.stream for frame in log.frames}}
    return {key: _amass_track(log, seen, period[key[0]]) for key, seen in tracks.items()}


def _amass_track(log: PoseLog, seen: list[tuple[FrameMessage, BodyMessage]], period_s: float) -> dict[str, np.ndarray]:
    pose = np.array([body.pose for _, body in seen], np.float64)
    pose[:, 0] = rotation_vectors(T_WORLD_CAMERA @ rotation_matrices(pose[:, 0]))
    return {
        "poses": pose.reshape(len(seen), -1),
        "trans": np.array([body.translation for _, body in seen], np.float64) @ T_WORLD_CAMERA.T,
        "betas": np.mean([body.betas for _, body in seen], axis=0),
        "mocap_framerate": np.array(1 / period_s if period_s > 0 else 30.0),
        "gender": np.array("neutral"),
        "frame": np.array([frame.frame for frame, _ in seen]),
        "pts_s": np.array([frame.pts_s for frame, _ in seen]),
        "joints": np.array([body.joints_3d for _, body in seen], np.float64) @ T_WORLD_CAMERA.T,
        "body_model": np.array(log.metadata.get("body_model", "")),
    }


def _period_s(log: PoseLog, stream: str) -> float:
    times = np.array([frame.pts_s for frame in log.frames if frame.stream == stream])
    steps = np.diff(times)
    return float(np.median(steps)) if len(steps) else 0.0


def _write_csv(log: PoseLog, target: Path) -> list[Path]:
    with target.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns(log))
        writer.writerows(rows(log.frames))
    return [target]


def _write_parquet(log: PoseLog, target: Path) -> list[Path]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("Parquet needs pyarrow; install it with: pip install 'bodystream[parquet]'") from error
    names = columns(log)
    values = list(zip(*rows(log.frames), strict=True)) or [()] * len(names)
    pyarrow.parquet.write_table(pyarrow.table(dict(zip(names, map(list, values), strict=True))), target)
    return [target]


def _write_npz(log: PoseLog, target: Path) -> list[Path]:
    """One file per track: TARGET where there is one track, else STEM_STREAM_ID.npz.

    As AMASS has it: poses (N, 72) rotation vectors, trans (N, 3), betas (10,) the track's mean, mocap_framerate and
    gender; besides, frame and pts_s (N,), joints (N, 24, 3). World: y up, metres, the camera at the origin looking
    along -z, so the floor is not at 0. trans is the pelvis joint itself (SMPL's transl is this minus the rest pelvis).
    N counts the frames in which the person was seen: look at pts_s for gaps.
    """
    tracks = amass_arrays(log)
    if len(log.joint_names) != len(JOINT_NAMES) and tracks:
        raise LogError(f"{log.path} has {len(log.joint_names)} joints, AMASS-style export needs {len(JOINT_NAMES)}")
    written = []
    for (stream, track_id), arrays in tracks.items():
        path = target if len(tracks) == 1 else target.with_name(f"{target.stem}_{stream}_{track_id}.npz")
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
        written.append(path)
    return written


def _flat(lists: list[list[float]]) -> list[float]:
    return [value for part in lists for value in part]
