"""What moves through the pipeline: frames, tracked bodies, results. Frozen; arrays are not copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate

if TYPE_CHECKING:
    from kernels.launch.crop_pictures import AnyPicture


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One decoded picture of one stream."""

    stream: str
    """Name of the stream, unique in the process, safe for a topic and a file name."""
    index: int
    """0-based index in the source; for a folder of images in sorted file order."""
    image: AnyPicture
    """(H, W, 3) uint8 RGB, upright (rotation metadata applied). It may lie on a device, where a decoder left it: who
    wants its pixels calls ``np.asarray``."""
    capture_ns: int
    """Monotonic clock (`time.monotonic_ns`) when the frame was captured, or arrived where the source cannot tell."""
    pts_s: float
    """Presentation time in the source, seconds."""
    intrinsics: Intrinsics
    """Camera of this picture (after rotation)."""
    unrelated: bool = False
    """True if this picture has nothing to do with the one before: no tracking, no smoothing across it."""
    bodies: tuple[TrackedBody, ...] | None = None
    """Who is in the picture, where that is known from elsewhere (a replayed log): the estimator is passed by."""

    def __post_init__(self) -> None:
        if len(self.image.shape) != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"image must be (H, W, 3) uint8 RGB, got shape {self.image.shape} dtype {self.image.dtype}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self.image.shape[1], self.image.shape[0]

    def __repr__(self) -> str:
        return f"Frame({self.stream}#{self.index} {self.size[0]}x{self.size[1]} pts={self.pts_s:.3f}s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedBody:
    """A body estimate with an identity."""

    track_id: int
    """Positive, unique in its stream, never reused."""
    box_xyxy: np.ndarray
    """(4,) float32 pixels: the person's box."""
    estimate: BodyEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """Everything known about one processed frame; sinks receive these."""

    frame: Frame
    bodies: tuple[TrackedBody, ...]
    raw_bodies: tuple[TrackedBody, ...] = ()
    """The same bodies before smoothing."""
    spans_ms: dict[str, float] = field(default_factory=dict)
    """Stage name -> milliseconds spent on this frame."""
