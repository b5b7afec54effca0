"""Video frames where the decoder left them: NV12 on the GPU by NVDEC, for `engines.methods.device_path`.

On a device that is no GPU the same frames are decoded by the CPU, turned into NV12 and copied: the twin of the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
import numpy as np
from av.codec.hwaccel import HWAccel

from kernels.device import Device, DeviceArray
from kernels.launch.crop_pictures import DevicePicture
from pipeline.errors import SourceError
from pipeline.sources.container import reason

_BT709, _FULL_RANGE = 1, 2
"""AVColorSpace and AVColorRange. Untagged video is taken as BT.601, as swscale does for the other sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFrame:
    """One decoded picture on a device."""

    picture: DevicePicture
    pts_s: float
    size: tuple[int, int]
    """(width, height), pixels."""


def decode_on_device(path: str, device: Device, stream: Any = None) -> Iterator[DeviceFrame]:
    """The frames of a video's first stream on ``device``, ready for work on ``stream``. Rotated videos are not turned.

    Raises SourceError where the video cannot be opened, or not by NVDEC on a GPU.
    """
    hwaccel = None
    if device.is_gpu:
        _, index = device.dlpack_device
        # The primary context, which the kernels use too; without a fallback, since that would come in host memory.
        hwaccel = HWAccel("cuda", str(index), False, is_hw_owned=True)
    try:
        with av.open(path, hwaccel=hwaccel) as container:
            for frame in container.decode(container.streams.video[0]):
                if device.is_gpu:
                    device.follow_default_stream(stream)
                yield DeviceFrame(
                    picture=_wrapped(frame, device) if device.is_gpu else _copied(frame, device),
                    pts_s=frame.time or 0.0,
                    size=(frame.width, frame.height),
                )
    except (av.FFmpegError, OSError, NotImplementedError, IndexError) as error:
        how = "NVDEC" if device.is_gpu else "the CPU"
        raise SourceError(f"{path}: cannot be decoded by {how} ({reason(error)})") from error


def _wrapped(frame: av.VideoFrame, device: Device) -> DevicePicture:
    """Planes on the GPU as dense arrays of whole rows, which are padded to the decoder's liking."""
    luma, chroma = (_rows(plane, rows, device) for plane, rows in zip(frame.planes, _rows_of(frame), strict=True))
    return DevicePicture(pixels=luma, chroma=chroma, width=frame.width, matrix=_matrix(frame))


def _copied(frame: av.VideoFrame, device: Device) -> DevicePicture:
    nv12 = frame if frame.format.name == "nv12" else frame.reformat(format="nv12", threads=1)
    luma, chroma = (
        device.upload(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:rows])
        for plane, rows in zip(nv12.planes, _rows_of(nv12), strict=True)
    )
    return DevicePicture(pixels=luma, chroma=chroma, width=frame.width, matrix=_matrix(frame))


def _rows(plane: Any, rows: int, device: Device) -> DeviceArray:
    """PyAV's DLPack export shows the visible columns of padded rows; the crop kernel takes the padding itself."""
    _, index = device.dlpack_device
    kind, where = plane.__dlpack_device__()
    if (int(kind), int(where)) != device.dlpack_device:
        raise SourceError(f"the decoder left a picture on DLPack device ({kind}, {where}), not on GPU {index}")
    return DeviceArray(plane.buffer_ptr, (rows, plane.line_size), np.dtype(np.uint8), device, plane)


def _rows_of(frame: av.VideoFrame) -> tuple[int, int]:
    return frame.height, -(-frame.height // 2)


def _matrix(frame: av.VideoFrame) -> Literal["bt601", "bt709"]:
    if frame.color_range == _FULL_RANGE:
        raise SourceError("the video has colours of full range (0 to 255), the crop kernel reads limited range alone")
    return "bt709" if frame.colorspace == _BT709 else "bt601"
