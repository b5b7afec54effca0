"""Wire version 1: pure encode and decode of what is published. The layout is documented in docs/wire.md."""

from pipeline.wire.decode import decode
from pipeline.wire.encode import encode
from pipeline.wire.layout import Kind, RetireReason, SourceState, WireError, parse_topic, topic
from pipeline.wire.messages import (
    FrameMessage,
    GeometryMessage,
    Message,
    RetireMessage,
    StaticMessage,
    VolumeMessage,
    WireBody,
)

__all__ = [
    "FrameMessage",
    "GeometryMessage",
    "Kind",
    "Message",
    "RetireMessage",
    "RetireReason",
    "SourceState",
    "StaticMessage",
    "VolumeMessage",
    "WireBody",
    "WireError",
    "decode",
    "encode",
    "parse_topic",
    "topic",
]
