"""What every source is: a state machine that turns something outside into `Frame`s.

    idle -> opening -> running -> ended
               |          |  ^
               |          v  |
               +---> reconnecting           any of opening, running, reconnecting -> failed or ended

A source is used by one thread at a time (`close` may come from another). `read` blocks until the next frame; freshness
is not its business: the runner keeps only the newest frame of a source whose `delivery` is LATEST.
"""

from __future__ import annotations

import enum
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from engines.camera import Intrinsics
from kernels.device import Device
from pipeline.errors import SourceError
from pipeline.sources.redact import redact
from pipeline.types import Frame

log = logging.getLogger(__name__)


class SourceState(enum.Enum):
    IDLE = "idle"
    OPENING = "opening"
    RUNNING = "running"
    RECONNECTING = "reconnecting"
    ENDED = "ended"
    FAILED = "failed"


TRANSITIONS: dict[SourceState, frozenset[SourceState]] = {
    SourceState.IDLE: frozenset({SourceState.OPENING, SourceState.ENDED}),
    SourceState.OPENING: frozenset(
        {SourceState.RUNNING, SourceState.RECONNECTING, SourceState.ENDED, SourceState.FAILED}
    ),
    SourceState.RUNNING: frozenset({SourceState.RECONNECTING, SourceState.ENDED, SourceState.FAILED}),
    SourceState.RECONNECTING: frozenset({SourceState.RUNNING, SourceState.ENDED, SourceState.FAILED}),
    SourceState.ENDED: frozenset(),
    SourceState.FAILED: frozenset(),
}
"""The states that may follow each state."""


class Delivery(enum.Enum):
    """What the runner does with a frame while the estimator is busy."""

    LATEST = "latest"
    """Live: keep the newest frame only and count those it replaces; latency is bounded by one frame."""
    BLOCK = "block"
    """Finite: the source waits; no frame is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOption:
    """What the user says about the camera: nothing, a field of view, or the four intrinsics."""

    fov_deg: float | None = None
    """Horizontal field of view of the upright picture, degrees."""
    intrinsics: tuple[float, float, float, float] | None = None
    """fx, fy, cx, cy of the upright picture, pixels."""

    def __post_init__(self) -> None:
        if self.fov_deg is not None and self.intrinsics is not None:
            raise ValueError("both a field of view and intrinsics are given, they exclude each other; leave one out")
        self.for_size(1, 1)  # reports a senseless value now and not at the first frame

    def for_size(self, width: int, height: int) -> Intrinsics:
        """Intrinsics of an upright picture of that size; marked `assumed` where the user said nothing."""
        if self.intrinsics is not None:
            fx, fy, cx, cy = self.intrinsics
            return Intrinsics(fx=fx, fy=fy, cx=cx, cy=cy)
        if self.fov_deg is not None:
            return Intrinsics.from_fov(width, height, self.fov_deg)
        return Intrinsics.from_fov(width, height, assumed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What concerns cameras alone."""

    transport: str = "tcp"
    """How an RTSP camera sends: `tcp` loses nothing, `udp` never waits for what was lost."""
    stall_s: float = 5.0
    """A camera that gives no picture for so long is connected again."""
    size: tuple[int, int] | None = None
    """(width, height) asked of a webcam, pixels."""
    fps: float | None = None
    """Pictures per second asked of a webcam."""
    pixel_format: str | None = None
    """Pixel format or codec asked of a webcam: `yuyv422`, `mjpeg`, ..."""

    def __post_init__(self) -> None:
        if self.transport not in ("tcp", "udp"):
            raise ValueError(f"transport is {self.transport!r}, it must be tcp or udp")
        if not 0.1 <= self.stall_s <= 3600:
            raise ValueError(f"stall is {self.stall_s} s, it must be 0.1 to 3600")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size is {self.size[0]}x{self.size[1]}, both must be positive pixels")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"fps is {self.fps}, it must be above 0 and at most 1000")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What all sources have in common."""

    stream: str
    """Name of the stream: letters, digits, `-`, `_` and `.`."""
    camera: CameraOption = field(default_factory=CameraOption)
    hwaccel: str = "none"
    """Hardware decoder: `none`, `auto`, or a device type of FFmpeg (`cuda`, `vaapi`, `videotoolbox`...)."""
    device: Device | None = None
    """Where pictures stay if the hardware decoder leaves them there; None: they come to the host."""
    threads: int = 0
    """Decoder threads; 0 lets the decoder choose."""
    realtime: bool = False
    """Deliver a file at the pace of its timestamps and not as fast as it decodes."""
    live: LiveOptions = field(default_factory=LiveOptions)

    def __post_init__(self) -> None:
        if not self.stream or not all(c.isalnum() or c in "-_." for c in self.stream):
            raise ValueError(f"stream name is {self.stream!r}, it may hold letters, digits, '-', '_' and '.' only")
        if self.threads < 0:
            raise ValueError(f"threads is {self.threads}, it must be 0 (automatic) or more")


class Source(ABC):
    """One stream of frames. Subclasses implement `_open`, `_next` and `_release`."""

    delivery: ClassVar[Delivery] = Delivery.BLOCK
    knows_bodies: ClassVar[bool] = False
    """True where every frame comes with its `bodies`: such a source needs no estimator."""

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self.spec = spec
        """What the user wrote, without credentials: fit for logs."""
        self.options = options
        self.skipped = 0
        """Pictures that could not be decoded and were left out."""
        self.superseded = 0
        """Pictures of a camera that were decoded and not read, because a newer one was there."""
        self.reconnects = 0
        """How often a lost camera came back."""
        self.trouble = ""
        """Why it is reconnecting or has failed, one line."""
        self.format = ""
        """What a camera delivers, in words, once it is known."""
        self.fps = 0.0
        """Nominal frames per second, known once it is open; 0 where there is no such thing."""
        self.on_state: list[Callable[[Source, SourceState], None]] = []
        """Called after each change of state, in the thread that caused it."""
        self._state = SourceState.IDLE
        self._state_lock = threading.Lock()
        self._stop = threading.Event()

    @property
    def stream(self) -> str:
        return self.options.stream

    @property
    def paced(self) -> bool:
        """Whether `read` waits for the moment of the frame, so that its duration says nothing about decoding."""
        return self.delivery is Delivery.LATEST or self.options.realtime

    @property
    def state(self) -> SourceState:
        return self._state

    def open(self, *, patient: bool = False) -> None:
        """Start; afterwards the first frame is known to exist. Raises SourceError, and the state is FAILED.

        patient: a camera that cannot be opened is no error: it is RECONNECTING, and `read` waits for it.
        """
        self._move(SourceState.OPENING)
        try:
            self._open()
        except BaseException as error:
            if patient and self.delivery is Delivery.LATEST and isinstance(error, SourceError):
                self._move(SourceState.RECONNECTING, str(error))
                return
            self._end(SourceState.FAILED, error)
            raise
        if not self._stop.is_set():  # else it was closed meanwhile
            self._move(SourceState.RUNNING)

    def read(self) -> Frame | None:
        """The next frame; None at the end or after `close`. Raises SourceError if the source broke on the way."""
        if self._state in (SourceState.IDLE, SourceState.OPENING):
            raise RuntimeError(f"source {self.spec} is {self._state.value}; call open() before read()")
        if self._stop.is_set() or self._state in (SourceState.ENDED, SourceState.FAILED):
            return None
        try:
            frame = self._next()
        except Exception as error:
            if self._stop.is_set():  # closed while it was reading: whatever broke then is of no interest
                return None
            self._end(SourceState.FAILED, error)
            raise
        if frame is None:
            self._end(SourceState.ENDED)
        return frame

    def close(self) -> None:
        """Stop and let go of files and devices. May be called twice, and from another thread."""
        self._stop.set()
        self._end(SourceState.ENDED)

    def skip(self, what: str, error: object) -> None:
        """Note that a picture was left out."""
        self.skipped += 1
        log.warning("%s: %s cannot be decoded and is left out (%s)", self.stream, what, error)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _open(self) -> None:
        """Acquire; raise SourceError where there is nothing to read."""

    @abstractmethod
    def _next(self) -> Frame | None:
        """The next frame, None at the end; must return soon after `self._stop` is set."""

    def _release(self) -> None:  # noqa: B027  (not every source holds something)
        """Let go of what `_open` acquired."""

    def _move(self, new: SourceState, trouble: str = "") -> None:
        with self._state_lock:
            if new not in TRANSITIONS[self._state]:
                raise RuntimeError(f"source {self.spec} cannot go from {self._state.value} to {new.value}")
            self._state, self.trouble = new, redact(trouble)
        self._tell(new)

    def _end(self, state: SourceState, error: BaseException | None = None) -> None:
        """Enter a final state, once; whoever gets there first decides which."""
        with self._state_lock:
            if self._state in (SourceState.ENDED, SourceState.FAILED):
                return
            self._state = state
            self.trouble = "" if error is None else redact(str(error)) or type(error).__name__
        self._release()
        self._tell(state)

    def _tell(self, state: SourceState) -> None:
        log.log(
            logging.WARNING if self.trouble else logging.INFO,
            "%s is %s%s", self.stream, state.value, f": {self.trouble}" if self.trouble else "",
        )  # fmt: skip
        for callback in self.on_state:
            callback(self, state)


__all__ = [
    "TRANSITIONS",
    "CameraOption",
    "Delivery",
    "LiveOptions",
    "Source",
    "SourceError",
    "SourceOptions",
    "SourceState",
]
