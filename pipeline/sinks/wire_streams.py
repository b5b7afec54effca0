"""What a publisher remembers of each stream, and the wire messages it makes of results. No socket here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from engines.body import BodyModel
from engines.keypoints import JOINT_NAMES, JOINT_PARENTS
from pipeline.types import FrameResult, TrackedBody
from pipeline.wire import (
    FrameMessage,
    GeometryMessage,
    RetireMessage,
    RetireReason,
    SourceState,
    StaticMessage,
    VolumeMessage,
    WireBody,
)
from pipeline.wire.layout import EXPIRY_S, MAX_BODIES, NUM_BETAS, NUM_JOINTS, RETIRE_AFTER_S
from pipeline.wire.rotations import quaternions


@dataclass(slots=True)
class WireStream:
    """One stream of a publisher: counters, who is in it, when its static messages are due (monotonic seconds)."""

    name: str
    epoch: int
    state: SourceState = SourceState.UNKNOWN
    sent: int = 0
    refused: int = 0
    """Bodies left out because a value was not finite, or because there were too many."""
    last_seen: dict[int, float] = field(default_factory=dict)
    static_at: float = 0.0
    geometry_at: float = 0.0

    @property
    def _envelope(self) -> dict:
        return {"stream": self.name, "epoch": self.epoch, "sequence": max(self.sent - 1, 0)}

    def frame(self, result: FrameResult, body: BodyModel, mesh_level: int | None) -> FrameMessage:
        """The next frame message."""
        frame, camera = result.frame, result.frame.intrinsics
        tracked = [tracked for tracked in result.bodies if _finite(tracked)][:MAX_BODIES]
        self.refused += len(result.bodies) - len(tracked)
        self.last_seen |= dict.fromkeys((t.track_id for t in tracked), time.monotonic())
        self.sent += 1
        return FrameMessage(
            **self._envelope,
            capture_ns=frame.capture_ns,
            publish_us=(time.monotonic_ns() - frame.capture_ns) // 1000,
            frame=frame.index,
            pts_ms=round(frame.pts_s * 1000) if np.isfinite(frame.pts_s) else 0,
            image_size=frame.size,
            camera=(camera.fx, camera.fy, camera.cx, camera.cy),
            camera_assumed=camera.assumed,
            bodies=_wire_bodies(tracked, body, mesh_level),
        )

    def volumes(self, result: FrameResult) -> list[VolumeMessage]:
        """Surfaces of the bodies that have one; they belong to the last `frame`."""
        return [
            VolumeMessage(
                **self._envelope,
                capture_ns=result.frame.capture_ns,
                frame=result.frame.index,
                track_id=tracked.track_id,
                vertices=surface.vertices,
                faces=surface.faces,
            )
            for tracked in result.bodies
            if (surface := tracked.estimate.surface) is not None and _finite(tracked)
        ]

    def retired(self, result: FrameResult) -> RetireMessage | None:
        """The bodies that have left, as of this result; they are forgotten."""
        present = {tracked.track_id for tracked in result.bodies}
        patience = 0.0 if result.frame.unrelated else RETIRE_AFTER_S
        deadline = time.monotonic() - patience
        return self._retire([i for i, seen in self.last_seen.items() if i not in present and seen <= deadline])

    def closed(self) -> RetireMessage | None:
        """All bodies retired because the stream ends."""
        return self._retire(list(self.last_seen), RetireReason.STREAM_CLOSED)

    def _retire(self, ids: list[int], reason: RetireReason = RetireReason.LEFT) -> RetireMessage | None:
        for track_id in ids:
            del self.last_seen[track_id]
        return RetireMessage(**self._envelope, reason=reason, track_ids=tuple(ids[:MAX_BODIES])) if ids else None

    def static(self, body: BodyModel, mesh_level: int | None) -> StaticMessage:
        """The static message as of now."""
        return StaticMessage(
            **self._envelope,
            monotonic_anchor_ns=time.monotonic_ns(),
            wall_anchor_ns=time.time_ns(),
            expiry_ms=round(EXPIRY_S * 1000),
            state=self.state,
            mesh_level=mesh_level,
            mesh_vertices=0 if mesh_level is None else body.level_sizes[mesh_level],
            body_model=body.identity,
            joint_names=JOINT_NAMES,
        )

    def geometry(self, body: BodyModel, level: int) -> GeometryMessage:
        """Template, faces and rest joints. The mesh of a body model that may not be passed on stays out."""
        origin = np.zeros(3, np.float32)
        rest = body.joints_rest(np.concatenate([np.zeros((1, NUM_BETAS)), np.eye(NUM_BETAS)]))
        shareable = body.license.startswith(("CC0", "Apache", "MIT", "BSD"))
        template = body.forward(np.zeros((NUM_JOINTS, 3)), np.zeros(NUM_BETAS), rest[0, 0], level).vertices[0]
        return GeometryMessage(
            **self._envelope,
            level=level,
            parents=JOINT_PARENTS,
            template=template if shareable else origin[None][:0],
            faces=body.faces[level].astype(np.uint32) if shareable else np.zeros((0, 3), np.uint32),
            joints_rest=rest[0],
            joints_shapedirs=np.moveaxis(rest[1:] - rest[0], 0, -1),
        )


def _finite(tracked: TrackedBody) -> bool:
    estimate = tracked.estimate
    return all(np.isfinite(a).all() for a in (estimate.pose, estimate.betas, estimate.translation))


def _wire_bodies(tracked: list[TrackedBody], body: BodyModel, mesh_level: int | None) -> tuple[WireBody, ...]:
    if not tracked:
        return ()
    estimates = [t.estimate for t in tracked]
    pose, betas, place = (np.stack([getattr(e, n) for e in estimates]) for n in ("pose", "betas", "translation"))
    meshes = [None] * len(tracked) if mesh_level is None else body.forward(pose, betas, place, mesh_level).vertices
    return tuple(
        WireBody(
            track_id=t.track_id,
            score=t.estimate.score,
            quality=t.estimate.quality,
            translation=t.estimate.translation,
            rotations=rotation,
            betas=t.estimate.betas,
            mesh=mesh,
        )
        for t, rotation, mesh in zip(tracked, quaternions(pose), meshes, strict=True)
    )
