"""Frame results with random but valid content, for tests of sinks."""

from __future__ import annotations

import numpy as np

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from pipeline.types import Frame, FrameResult, TrackedBody


def random_body(rng: np.random.Generator, track_id: int = 1, **changes: object) -> TrackedBody:
    fields: dict = {
        "pose": rng.normal(0, 0.3, (24, 3)).astype(np.float32),
        "betas": rng.normal(0, 1, 10).astype(np.float32),
        "translation": np.array([0.1, 0.2, 3.0], np.float32),
        "joints": rng.normal(0, 1, (24, 3)).astype(np.float32),
        "points_px": rng.uniform(0, 300, (41, 3)).astype(np.float32),
        "score": float(rng.uniform()),
        "quality": float(rng.uniform()),
    }
    estimate = BodyEstimate(**{**fields, **changes})
    return TrackedBody(track_id=track_id, box_xyxy=np.array([1.5, 2.5, 99.25, 300], np.float32), estimate=estimate)


def make_result(
    index: int,
    *,
    people: int = 1,
    stream: str = "cam",
    seed: int = 0,
    size: tuple[int, int] = (64, 48),
    bodies: tuple[TrackedBody, ...] | None = None,
) -> FrameResult:
    rng = np.random.default_rng((seed, index))
    frame = Frame(
        stream=stream,
        index=index,
        image=np.zeros((size[1], size[0], 3), np.uint8),
        capture_ns=1_000_000_000 + index * 33_333_333,
        pts_s=index / 30,
        intrinsics=Intrinsics.from_fov(*size, assumed=True),
    )
    if bodies is None:
        bodies = tuple(random_body(rng, track_id=i + 1) for i in range(people))
    return FrameResult(frame=frame, bodies=bodies)
