"""Pictures where the decoder left them: NV12 on the GPU by NVDEC, for estimators that look at them there.

On a device that is no GPU the same pictures are decoded by the CPU, turned into NV12 and copied: the twin of the path.
"""

from __future__ import annotations

import av
import numpy as np

from kernels.device import Device, DeviceArray
from kernels.launch.crop_pictures import AnyPicture, DevicePicture
from pipeline.sources.decode import display_matrix, to_rgb, upright

_BT709, _FULL_RANGE = 1, 2
"""AVColorSpace and AVColorRange. Untagged video is taken as BT.601, as swscale does for the other sources."""
_AS_STORED = (None, (1, 0, 0, 1))
"""Display matrices of pictures that stand upright."""


def upright_picture(frame: av.VideoFrame, device: Device | None = None) -> AnyPicture:
    """(H, W, 3) RGB on the host; or, where a ``device`` is given, the decoded picture there, if it lies there and the
    kernels read it as it is: upright, 8 bits, colours of limited range."""
    matrix = display_matrix(frame)
    if device is None or matrix not in _AS_STORED or frame.color_range == _FULL_RANGE:
        return upright(matrix)(to_rgb(frame))
    if not device.is_gpu:
        nv12 = frame if frame.format.name == "nv12" else frame.reformat(format="nv12", threads=1)
        planes = [np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size) for plane in nv12.planes]
        luma, chroma = (device.upload(plane[:rows]) for plane, rows in zip(planes, _rows_of(nv12), strict=True))
    elif frame.sw_format is not None and frame.sw_format.name == "nv12":
        luma, chroma = (_rows(frame, index, rows, device) for index, rows in enumerate(_rows_of(frame)))
    else:
        return upright(matrix)(to_rgb(frame))
    bt709 = frame.colorspace == _BT709
    return DevicePicture(pixels=luma, chroma=chroma, width=frame.width, matrix="bt709" if bt709 else "bt601")


def _rows(frame: av.VideoFrame, index: int, rows: int, device: Device) -> DeviceArray:
    """A plane on the GPU as a dense array of whole rows: PyAV's DLPack export shows the visible columns of padded rows,
    the crop kernel takes the padding itself."""
    plane = frame.planes[index]
    return DeviceArray(plane.buffer_ptr, (rows, plane.line_size), np.dtype(np.uint8), device, plane)


def _rows_of(frame: av.VideoFrame) -> tuple[int, int]:
    return frame.height, -(-frame.height // 2)
