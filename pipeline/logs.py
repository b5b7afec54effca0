"""What the program says about itself: lines for people, or one JSON object per line for machines.

Credentials are taken out here once more, whatever a message or a traceback holds.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import msgspec

from pipeline.sources.redact import redact

LEVELS = ("debug", "info", "warning", "error")


class TextFormatter(logging.Formatter):
    """`WARNING: door is reconnecting: ...`"""

    def __init__(self) -> None:
        super().__init__("%(levelname)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One object per line: time (UTC), level, logger, thread, message; `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": redact(record.getMessage()),
        }
        if record.exc_info:
            fields["traceback"] = redact(self.formatException(record.exc_info))
        return msgspec.json.encode(fields).decode()


def set_up(level: str, style: str) -> None:
    """Log to stderr. level: one of LEVELS; style: `text` or `json`. Replaces an earlier set-up."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
