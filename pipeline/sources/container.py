"""Opening what FFmpeg can open, with or without a hardware decoder."""

from __future__ import annotations

import logging
from typing import Any

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.container import InputContainer

from kernels.device import Device
from pipeline.errors import SourceError, UsageError

log = logging.getLogger(__name__)

_PREFERRED = ("cuda", "videotoolbox", "vaapi", "d3d11va")


def open_container(
    address: str, *, hwaccel: str, shown_as: str, hint: str, device: Device | None = None, **kwargs: Any
) -> InputContainer:
    """Open a file, device or URL. `auto` falls back to software; a decoder named by the user must work.
    ``device``: a GPU on which NVDEC leaves the pictures that it decodes.

    Raises SourceError (its text names `shown_as` and ends in `hint`), UsageError for an unknown decoder.
    """
    decoder = hardware_device(hwaccel)
    if decoder is not None:
        try:
            return av.open(address, hwaccel=_accelerator(decoder, device), **kwargs)
        except (av.FFmpegError, OSError, ValueError) as error:
            if hwaccel != "auto" and _opens_without(address, kwargs):
                raise SourceError(
                    f"{shown_as}: hardware decoder {decoder} does not start ({reason(error)}); "
                    "use --hwaccel none or auto"
                ) from error
            log.debug("hardware decoder %s does not start: %s", decoder, reason(error))
    try:
        return av.open(address, **kwargs)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{shown_as}: cannot be opened ({reason(error)}); {hint}") from error


def _accelerator(decoder: str, device: Device | None) -> HWAccel:
    if decoder != "cuda" or device is None or not device.is_gpu:
        return HWAccel(decoder, allow_software_fallback=True)
    # The primary context, which the kernels use too.
    _, index = device.dlpack_device
    return HWAccel(decoder, str(index), allow_software_fallback=True, is_hw_owned=True)


def hardware_device(name: str) -> str | None:
    """FFmpeg's device type for `none`, `auto` or an explicit name. Raises UsageError for one it does not have."""
    available = hwdevices_available()
    if name == "none":
        return None
    if name == "auto":
        return next((device for device in _PREFERRED if device in available), None)
    if name not in available:
        raise UsageError(f"hwaccel is {name!r}, this FFmpeg has {', '.join(['none', 'auto', *available])}; choose one")
    return name


def reason(error: BaseException) -> str:
    """FFmpeg's words without its error number and file name."""
    return str(getattr(error, "strerror", None) or error)


def _opens_without(address: str, kwargs: dict[str, Any]) -> bool:
    try:
        av.open(address, **kwargs).close()
    except (av.FFmpegError, OSError, ValueError):
        return False
    return True
