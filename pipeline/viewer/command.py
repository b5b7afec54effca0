"""`bodystream view`: arguments, then one of the two viewers until it is interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from engines.body import BodyModelError, load_body
from pipeline.client import subscribe
from pipeline.errors import UsageError
from pipeline.viewer.live import LiveViewer
from pipeline.viewer.replay import LogPlayer
from pipeline.viewer.scene import BodyScene


def main(argv: Sequence[str] | None = None) -> int:
    """`bodystream view tcp://HOST:PORT | LOG.mcap`. Raises BodystreamError; returns 0 when interrupted."""
    parser = argparse.ArgumentParser(prog="bodystream view", description="Show bodies in the browser.")
    parser.add_argument("source", help="address of a publisher (tcp://HOST:PORT), or a pose log (PATH.mcap)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve the page at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port of the page, 0 for any (default: %(default)s)")
    parser.add_argument("--stream", help="this stream alone (default: all; of a log the first)")
    parser.add_argument("--keys", metavar="DIR", help="key folder, for a publisher that asks for keys")
    parser.add_argument("--body", metavar="PATH", help="body model, if the publisher uses its own")
    parser.add_argument("--level", type=int, default=1, choices=(0, 1, 2), help="mesh level, 0 finest (default: 1)")
    options = parser.parse_args(argv)
    try:
        body = load_body(options.body)
    except BodyModelError as error:
        raise UsageError(str(error)) from error
    live = options.source.startswith(("tcp://", "ipc://"))
    subscription = subscribe(options.source, stream=options.stream, keys=options.keys, latest=True) if live else None
    scene = BodyScene(body, host=options.host, port=options.port, level=options.level)
    print(f"open {scene.url} in a browser; Ctrl-C ends", flush=True)
    try:
        if subscription is not None:
            LiveViewer(scene, subscription).run()
        else:
            LogPlayer(scene, Path(options.source), options.stream).run()
    except KeyboardInterrupt:
        pass
    finally:
        if subscription is not None:
            subscription.close()
        scene.close()
    return 0
