import logging

import msgspec
import pytest

from pipeline.logs import JsonFormatter, TextFormatter
from pipeline.sources.redact import redact

HIDDEN = [
    ("rtsp://admin:hunter2@cam/x", "rtsp://cam/x"),
    ("rtsp://admin:hun@ter2@cam:554/x?y=1", "rtsp://cam:554/x?y=1"),
    ("rtsp://admin:hun/ter2@cam/x", "rtsp://cam/x"),
    ("rtsp://hunter2@cam/x", "rtsp://cam/x"),
    ("cannot open 'rtsps://a:hunter2@cam/x': refused", "cannot open 'rtsps://cam/x': refused"),
    ("http://cam/v?user=hunter2&res=1", "http://cam/v?user=***&res=1"),
    ("http://cam/v?res=1&Password=hunter2&token=hunter2", "http://cam/v?res=1&Password=***&token=***"),
    ("rtsp://a:hunter2@one/x and http://b:hunter2@two/y", None),
]


@pytest.mark.parametrize("text,shown", HIDDEN)
def test_credentials_are_taken_out(text, shown):
    assert "hunter2" not in redact(text)
    assert shown is None or redact(text) == shown


@pytest.mark.parametrize("text", ["rtsp://cam:554/x", "http://host/@handle/live", "a@b.example", "5 > 3 @ 30 fps", ""])
def test_other_text_stays(text):
    assert redact(text) == text


def record(error=None):
    exc_info = None
    if error is not None:
        try:
            raise error
        except type(error) as raised:
            exc_info = (type(raised), raised, raised.__traceback__)
    return logging.LogRecord("pipeline.x", logging.WARNING, __file__, 1, "lost %s", ("rtsp://a:hunter2@h/x",), exc_info)


def test_logs_are_redacted_whoever_writes_them():
    for formatter in (TextFormatter(), JsonFormatter()):
        text = formatter.format(record(OSError("rtsp://a:hunter2@h/x")))
        assert "hunter2" not in text and "rtsp://h/x" in text and "OSError" in text


def test_json_lines():
    line = JsonFormatter().format(record())
    assert "\n" not in line
    fields = msgspec.json.decode(line)
    assert fields["level"] == "warning" and fields["message"] == "lost rtsp://h/x" and fields["logger"] == "pipeline.x"
    assert fields["time"].endswith("+00:00")
