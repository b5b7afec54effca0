"""Takes credentials out of text. Whatever is shown, logged, recorded or published passes through here."""

from __future__ import annotations

import re

_USERINFO = re.compile(r"(?<=://)[^\s/@:]*(?::\S*)?@")
"""User name, and a password that may hold `@` and `/`, whatever the standard says of it."""
_PARAMETER = re.compile(
    r"(?i)([?&](?:user(?:name)?|usr|login|pass(?:word|wd)?|pwd|token|auth|key|api_?key|secret|sig(?:nature)?)=)[^&\s'\"]*"
)


def redact(text: str) -> str:
    """The text without user names and passwords of the addresses in it."""
    return _PARAMETER.sub(r"\1***", _USERINFO.sub("", text))
