"""ZeroMQ addresses: which reach only this machine, and which therefore need no keys."""

from __future__ import annotations

import ipaddress
import re

from pipeline.errors import UsageError

_TCP = re.compile(r"tcp://(?P<host>\[[^\]]+\]|[^:/\s]+):(?P<port>\d{1,5}|\*)")


class EndpointError(UsageError):
    """An address that cannot be used, or not without keys."""


def is_local(address: str) -> bool:
    """True if only this machine can reach `address` (loopback TCP, ipc, inproc). Raises EndpointError if malformed."""
    if re.fullmatch(r"(ipc|inproc)://\S+", address):
        return True
    match = _TCP.fullmatch(address)
    if match is None or (match["port"] != "*" and int(match["port"]) > 65_535):
        raise EndpointError(f"address {address!r} must read tcp://HOST:PORT, for example tcp://127.0.0.1:5555")
    host = match["host"].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
