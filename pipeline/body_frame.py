"""What a subscriber gets: the bodies of one picture, with their meshes on request."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel, load_body
from engines.camera import Intrinsics
from pipeline.errors import BodystreamError
from pipeline.wire import SourceState
from pipeline.wire.rotations import matrices


class BodyModelMismatchError(BodystreamError):
    """The body model at hand is not the one that the publisher's parameters belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One person in one frame."""

    track_id: int
    score: float
    """0..1."""
    quality: float
    """0..1: agreement with the picture and what is expected of bodies of its kind; NaN where unknown."""
    translation: np.ndarray
    """(3,) float32, metres, camera frame: the pelvis joint."""
    rotations: np.ndarray
    """(24, 4) float32 unit quaternions (w, x, y, z); row 0 body axes -> camera frame, others local to the parent."""
    betas: np.ndarray
    """(10,) float32."""
    body_model: str
    """Identity of the body model that the parameters belong to."""
    mesh: np.ndarray | None
    """(V, 3) float32, metres, camera frame, if the publisher sends meshes."""
    mesh_level: int | None

    def vertices(self, level: int = 1, model: BodyModel | None = None) -> np.ndarray:
        """(V, 3) float32, metres, camera frame: the mesh as sent, else computed from the parameters.

        Raises BodyModelMismatchError if `model` (default: the shipped one) is not the publisher's.
        """
        if self.mesh is not None and level == self.mesh_level:
            return self.mesh
        model = self._check(model)
        return model.forward(matrices(self.rotations), self.betas, self.translation, level).vertices[0]

    def joints(self, model: BodyModel | None = None) -> np.ndarray:
        """(24, 3) float32, metres, camera frame. Raises as `vertices`."""
        return self._check(model).joints(matrices(self.rotations), self.betas, self.translation)[0]

    def _check(self, model: BodyModel | None) -> BodyModel:
        model = model or _shipped_body()
        if model.identity != self.body_model:
            raise BodyModelMismatchError(
                f"the publisher uses the body model {self.body_model}, this is {model.identity}; "
                "load the publisher's with load_body(PATH) and pass it, or publish with meshes"
            )
        return model


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyFrame:
    """Everybody in one picture of one stream."""

    stream: str
    index: int
    """Of the picture in its source."""
    pts_s: float
    """Presentation time in the source, seconds (whole milliseconds)."""
    capture_ns: int
    """The publisher's monotonic clock."""
    capture_wall_ns: int
    """Unix time of the capture by the publisher's wall clock, nanoseconds."""
    publish_delay_s: float
    """From capture to the wire, at the publisher."""
    latency_s: float
    """From capture to now, when the frame came out here; right if the wall clocks of both machines agree."""
    image_size: tuple[int, int]
    intrinsics: Intrinsics
    bodies: tuple[Body, ...]
    retired: tuple[int, ...]
    """Ids that have left since the frame before. Bodies also expire when `expiry_s` passes without them."""
    expiry_s: float
    lost: int
    """Frames lost on the way just before this one."""
    restarted: bool
    """First frame after the publisher was restarted: ids seen before mean nothing any more."""
    source_state: SourceState


@functools.cache
def _shipped_body() -> BodyModel:
    return load_body()
