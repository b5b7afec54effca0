"""Refine a pose log after the fact: every track is fitted as a whole, as no live stream can.

The logged 2D points are the evidence, the logged bodies the start (`engines.fitting.track_fit`). Everything else in the
log is copied. A refined body's quality is unknown: it was measured on another body, against pictures that are gone.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec
import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import Figures
from engines.fitting.image_evidence import ImageEvidence
from engines.fitting.objective import Objective
from engines.fitting.pose_prior import vectors_of
from engines.fitting.track_fit import Smoothness, refine_track
from engines.methods.trunk_method import peak_mass
from pipeline.errors import UsageError
from pipeline.log import LogError, read_log, recover_log
from pipeline.log_format import M_DECIMALS, QUALITY_UNKNOWN, RAD_DECIMALS, BodyMessage, FrameMessage

MAX_GAP_S = 0.5
"""A track with a longer hole is refined on either side of it apart."""

_Seen = list[tuple[FrameMessage, BodyMessage]]
_Key = tuple[str, int, int]
"""Stream, frame, track."""


def refine_log(source: Path, target: Path, smoothness: float = 1.0, body: Path | None = None) -> tuple[int, int]:
    """Write a refined copy of a log; returns the numbers of its tracks and bodies.

    Raises LogError for what is no log, or made with another body model, UsageError for a smoothness that is not
    positive.
    """
    if not smoothness > 0:
        raise UsageError(f"smoothness is {smoothness}, it must be positive; 1 is the default, more is smoother")
    log, model = read_log(source), load_body(body)
    made_with = log.metadata.get("body_model")
    if made_with and made_with != model.identity:
        raise LogError(f"{source} was made with the body {made_with}, not {model.identity}; pass it by --body")
    tracks: dict[tuple[str, int], _Seen] = defaultdict(list)
    for frame in log.frames:
        for message in frame.bodies:
            tracks[frame.stream, message.track_id].append((frame, message))
    usual = Smoothness()
    settings = Smoothness(turn_rad_s2=usual.turn_rad_s2 / smoothness, place_m_s2=usual.place_m_s2 / smoothness)
    objective = Objective(model)
    refined: dict[_Key, BodyMessage] = {}
    for seen in tracks.values():
        for piece in _pieces(seen):
            refined |= _refine(piece, objective, model, settings)

    def change(frame: FrameMessage) -> FrameMessage:
        bodies = [refined.get((frame.stream, frame.frame, body.track_id), body) for body in frame.bodies]
        return msgspec.structs.replace(frame, bodies=bodies)

    recover_log(source, target, change)
    return len(tracks), len(refined)


def _pieces(seen: _Seen) -> list[_Seen]:
    """A track cut at its holes, and where its media time does not go on."""
    pieces: list[_Seen] = []
    for frame, body in seen:
        gap = frame.pts_s - pieces[-1][-1][0].pts_s if pieces else 0.0
        if not pieces or not 0 < gap <= MAX_GAP_S:
            pieces.append([])
        pieces[-1].append((frame, body))
    return pieces


def _refine(seen: _Seen, objective: Objective, model: BodyModel, settings: Smoothness) -> dict[_Key, BodyMessage]:
    cameras = [
        Intrinsics(fx=frame.camera.fx, fy=frame.camera.fy, cx=frame.camera.cx, cy=frame.camera.cy) for frame, _ in seen
    ]
    points = np.array([body.keypoints_2d for _, body in seen])
    points[..., 2] = peak_mass(points[..., 2])
    boxes = np.array([body.box_xyxy for _, body in seen])
    evidence = ImageEvidence.of(
        points, None, cameras, (boxes[:, :2] + boxes[:, 2:]) / 2, objective.noise.confidence_power
    )
    start = Figures.of(
        np.array([body.pose for _, body in seen]),
        np.array([body.betas for _, body in seen]),
        np.array([body.translation for _, body in seen]),
    )
    found = refine_track(objective, start, evidence, np.array([frame.pts_s for frame, _ in seen]), settings)
    pose = vectors_of(found)
    joints = model.joints(pose, found.betas, found.translation).astype(np.float64)
    return {
        (frame.stream, frame.frame, body.track_id): msgspec.structs.replace(
            body,
            pose=pose[row].round(RAD_DECIMALS).tolist(),
            betas=found.betas[row].round(M_DECIMALS).tolist(),
            translation=found.translation[row].round(M_DECIMALS).tolist(),
            joints_3d=joints[row].round(M_DECIMALS).tolist(),
            quality=QUALITY_UNKNOWN,
        )
        for row, (frame, body) in enumerate(seen)
    }
