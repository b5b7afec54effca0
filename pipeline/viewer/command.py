"""`bodystream view`: arguments, then one of the two viewers until it is interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from engines.body import BodyModel, BodyModelError, load_body
from pipeline.client import subscribe
from pipeline.errors import UsageError
from pipeline.viewer.live import LiveViewer
from pipeline.viewer.replay import LogPlayer
from pipeline.viewer.scene import BodyScene
from pipeline.viewer.window import BodyWindow


def main(argv: Sequence[str] | None = None) -> int:
    """`bodystream view tcp://HOST:PORT | LOG.mcap`. Raises BodystreamError; returns 0 when interrupted."""
    parser = argparse.ArgumentParser(prog="bodystream view", description="Show bodies in the browser or in a window.")
    parser.add_argument("source", help="address of a publisher (tcp://HOST:PORT), or a pose log (PATH.mcap)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve the page at (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port of the page, 0 for any (default: %(default)s)")
    parser.add_argument("--stream", help="this stream alone (default: all; of a log the first)")
    parser.add_argument("--keys", metavar="DIR", help="key folder, for a publisher that asks for keys")
    parser.add_argument("--body", metavar="PATH", help="body model, if the publisher uses its own")
    parser.add_argument("--level", type=int, default=1, choices=(0, 1, 2), help="mesh level, 0 finest (default: 1)")
    parser.add_argument("--viewer", choices=("browser", "open3d"), default="browser", help="where (default: browser)")
    parser.add_argument(
        "--snapshot",
        type=Path,
        metavar="PATH.png",
        help="with open3d: write a picture and end; of a log the frame with most people, else the first with anybody",
    )
    options = parser.parse_args(argv)
    if options.snapshot is not None and options.viewer != "open3d":
        raise UsageError("--snapshot is drawn by Open3D; add --viewer open3d")
    try:
        body = load_body(options.body)
    except BodyModelError as error:
        raise UsageError(str(error)) from error
    live = options.source.startswith(("tcp://", "ipc://"))
    subscription = subscribe(options.source, stream=options.stream, keys=options.keys, latest=True) if live else None
    scene = _scene(options, body)
    try:
        viewer = (
            LiveViewer(scene, subscription) if subscription else LogPlayer(scene, Path(options.source), options.stream)
        )
        if options.snapshot is None:
            viewer.run()
        else:
            viewer.show_most_people()
            assert isinstance(scene, BodyWindow)
            scene.snapshot(options.snapshot)
    except KeyboardInterrupt:
        pass
    finally:
        if subscription is not None:
            subscription.close()
        scene.close()
    return 0


def _scene(options: argparse.Namespace, body: BodyModel) -> BodyScene | BodyWindow:
    if options.viewer == "open3d":
        return BodyWindow(body, level=options.level, visible=options.snapshot is None)
    scene = BodyScene(body, host=options.host, port=options.port, level=options.level)
    print(f"open {scene.url} in a browser; Ctrl-C ends", flush=True)
    return scene
