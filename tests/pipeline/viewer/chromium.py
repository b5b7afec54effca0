"""A headless Chromium with software WebGL, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

import cv2
import numpy as np
from websockets.sync.client import connect

WIDTH, HEIGHT = 860, 600
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    *("--remote-debugging-port=0", f"--window-size={WIDTH},{HEIGHT}"),
)


class Chromium:
    """One page of one browser; ends both at the end of the `with` block."""

    def __init__(self, url: str, profile: Path) -> None:
        binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
        self._process = subprocess.Popen(
            [binary, *_FLAGS, f"--user-data-dir={profile}", url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            page = self._wait(lambda: self._find_page(profile, url))
            self._socket = connect(page["webSocketDebuggerUrl"], max_size=2**26)
        except BaseException:
            self._end()
            raise
        self._ids = itertools.count(1)

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._end()

    def evaluate(self, expression: str) -> object:
        """The value of a JavaScript expression."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        data = self._call("Page.captureScreenshot", format="png")["data"]
        image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _call(self, method: str, **params: object) -> dict:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (reply := json.loads(self._socket.recv(timeout=60))).get("id") != number:
            pass
        assert "error" not in reply, reply
        return reply["result"]

    def _find_page(self, profile: Path, url: str) -> dict | None:
        assert self._process.poll() is None, f"chromium ended with {self._process.returncode}"
        port_file = profile / "DevToolsActivePort"
        if not port_file.exists() or not (text := port_file.read_text()):
            return None
        with urllib.request.urlopen(f"http://127.0.0.1:{text.split()[0]}/json/list", timeout=10) as reply:
            return next((page for page in json.load(reply) if page["url"].startswith(url)), None)

    @staticmethod
    def _wait(condition, timeout_s: float = 60.0):
        deadline = time.monotonic() + timeout_s
        while not (result := condition()):
            assert time.monotonic() < deadline, "chromium did not start"
            time.sleep(0.1)
        return result

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
