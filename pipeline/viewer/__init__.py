"""The browser viewer: `bodystream view ADDRESS` for what is published, `bodystream view LOG` for what was recorded."""

from pipeline.viewer.command import main

__all__ = ["main"]
