"""The errors that end a run, each with its exit code. Their text is the one line the user sees."""

from __future__ import annotations


class BodystreamError(Exception):
    """Something a user can act on: the message states the value, the rule and the remedy."""

    exit_code = 1


class UsageError(BodystreamError):
    """A wrong flag, configuration key or value."""

    exit_code = 2


class SourceError(BodystreamError):
    """A source that cannot be opened, or that broke while it was read."""

    exit_code = 3


class OutputError(BodystreamError):
    """A file, folder or address that cannot be written to."""


class MissingExtraError(BodystreamError):
    """A package that is not installed; the message names the extra that brings it."""
