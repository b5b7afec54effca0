"""Sink that draws every result over its picture and writes a video.

H.264 in a fragmented MP4: one fragment a second, so that the video of a killed run plays up to its last second.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from engines.body import BodyModel
from kernels.crop_normalize import halved, halvings_to
from pipeline.draw import draw_result
from pipeline.errors import OutputError
from pipeline.types import FrameResult

_TIME_BASE = Fraction(1, 60_000)
"""Exact for all common frame rates; MPEG-4 allows denominators up to 65535."""
_ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "superfast", "crf": "23", "bf": "0", "x264-params": "cabac=0:subme=0:weightp=0:scenecut=0"},
    "libopenh264": {"rc_mode": "quality"},
    "mpeg4": {"q": "5"},
}
"""In order of preference; which of them exist depends on how FFmpeg was built. What is taken from x264's preset saves
it three tenths of its time, for an eighth more bytes and 0.8 dB."""
_ONE_THREAD_PX = 1280
"""Videos up to this side are encoded by one thread: several cost a tenth more, and take cores from the networks."""
_CONTAINER_OPTIONS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}

_log = logging.getLogger(__name__)


class OverlayWriter:
    """Writes one stream's results to an MP4. The first picture sets the size; later ones are fitted into it."""

    name = "overlay"

    def __init__(self, path: str | Path, body: BodyModel, *, fps: float = 30.0, max_side_px: int = 0) -> None:
        """Create the file; raises OutputError where that is impossible.

        fps: a hint for the encoder; frames keep their own times. max_side_px: larger pictures are scaled down to it,
        which keeps drawing and encoding cheap; 0 keeps every pixel.
        """
        self.path = Path(path)
        self._body, self._fps, self._max_side_px = body, fps if fps > 0 else 30.0, max_side_px
        self._stream: av.VideoStream | None = None
        self._size = (0, 0)
        self._start_s = 0.0
        self._last_pts = -1
        self._frames = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self.path), "w", format="mp4", options=_CONTAINER_OPTIONS)
        except OSError as error:
            raise OutputError(
                f"cannot write the overlay {self.path}: {error.strerror or error}; choose a folder you may write to"
            ) from error

    def write(self, result: FrameResult) -> None:
        """Draw and encode one frame. Raises OutputError when the disk takes no more."""
        if self._stream is None:
            self._start(result)
        assert self._stream is not None
        picture = draw_result(fit(np.asarray(result.frame.image), self._size), result, self._body)
        # OpenCV's conversion takes a fifth of the time of FFmpeg's.
        planes = np.asarray(cv2.cvtColor(even(picture), cv2.COLOR_RGB2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        pts = round((result.frame.pts_s - self._start_s) / _TIME_BASE)
        self._last_pts = frame.pts = max(pts, self._last_pts + 1)
        frame.time_base = _TIME_BASE
        self._mux(frame)
        self._frames += 1

    def close(self) -> None:
        """Finish the video; a video without frames is removed."""
        try:
            if self._stream is not None:
                self._mux(None)
        finally:
            self._container.close()
        if self._stream is None:
            self.path.unlink(missing_ok=True)

    def report(self) -> dict[str, object]:
        """Figures for the run's summary."""
        return {"path": str(self.path), "frames": self._frames, "size": list(self._size)}

    def _start(self, result: FrameResult) -> None:
        width, height = result.frame.size
        scale = min(1.0, self._max_side_px / max(width, height)) if self._max_side_px else 1.0
        self._size = (max(2, round(width * scale)), max(2, round(height * scale)))
        self._start_s = result.frame.pts_s
        encoder = next(name for name in _ENCODERS if name in av.codecs_available)
        stream = self._container.add_stream(encoder, Fraction(self._fps).limit_denominator(1001))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = _ENCODERS[encoder]
        if max(self._size) <= _ONE_THREAD_PX:
            stream.codec_context.thread_count = 1
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.gop_size = max(1, round(self._fps))
        self._stream = stream

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._stream is not None
        try:
            self._container.mux(self._stream.encode(frame))
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"cannot go on writing the overlay {self.path}: {error}") from error


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled into ``size`` (width, height) without distortion, from the top left; the rest is black."""
    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    if scale != 1:
        inner = (min(width, round(image.shape[1] * scale)), min(height, round(image.shape[0] * scale)))
        image = resized(image, inner)
    below, right = height - image.shape[0], width - image.shape[1]
    if below or right:
        image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return image


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture stretched to ``size`` (width, height): halved by averaging while it is twice as large, then sampled
    bilinearly, which is several times as fast as averaging by fractions."""
    height, width = image.shape[:2]
    cell = 2 ** min(halvings_to(new, old) for new, old in zip(size, (width, height), strict=True))
    # What does not fill a cell is cut off: less than one of the new pixels.
    image = halved(image[: height - height % cell, : width - width % cell], cell.bit_length() - 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


def even(image: np.ndarray) -> np.ndarray:
    """The picture with its last row and column repeated where a side is odd: 4:2:0 video has even sides."""
    below, right = image.shape[0] % 2, image.shape[1] % 2
    return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE) if below or right else image
