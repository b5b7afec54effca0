"""Where frames come from: `open_source(spec) -> Source`."""

from pipeline.sources.base import CameraOption, Delivery, LiveOptions, Source, SourceError, SourceOptions, SourceState
from pipeline.sources.registry import create_source, open_source, register_source, stream_name

__all__ = [
    "CameraOption",
    "Delivery",
    "LiveOptions",
    "Source",
    "SourceError",
    "SourceOptions",
    "SourceState",
    "create_source",
    "open_source",
    "register_source",
    "stream_name",
]
