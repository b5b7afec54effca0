"""The page in a real browser: the people who are published stand in it, in their colours, and move."""

import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.body import load_body
from pipeline.client import subscribe
from pipeline.sinks.publisher import Publisher
from pipeline.viewer.live import LiveViewer
from pipeline.viewer.scene import COLOURS, BodyScene
from tests.pipeline.synthetic_results import result
from tests.pipeline.viewer.chromium import Chromium

pytestmark = pytest.mark.browser
BODY = load_body()
KEEP = os.environ.get("KEEP_SCREENSHOTS")
"""A folder: the screenshots are left there to be looked at."""


class Stage:
    """Publishes the same frame over and over until told another, and serves the viewer of it."""

    def __init__(self) -> None:
        self.showing: tuple[int, tuple[int, ...]] = (0, ())
        """Index of the frame, ids of the people in it."""
        self._stop = threading.Event()
        self._publisher = Publisher("tcp://127.0.0.1:0", BODY)
        self._subscription = subscribe(self._publisher.bound_address, latest=True)
        self.scene = BodyScene(BODY, port=0)
        self._threads = [threading.Thread(target=self._publish), threading.Thread(target=self._view)]
        for thread in self._threads:
            thread.start()

    def _publish(self) -> None:
        while not self._stop.wait(0.1):
            self._publisher.write(result(BODY, *self.showing))

    def _view(self) -> None:
        viewer = LiveViewer(self.scene, self._subscription)
        while not self._stop.is_set():
            viewer.step(self._subscription.next_frame(0.05), time.monotonic())

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._subscription.close()
        self._publisher.close()
        self.scene.close()


@pytest.fixture
def stage():
    stage = Stage()
    yield stage
    stage.close()


def has_colour(image: np.ndarray, track_id: int) -> np.ndarray:
    """(H, W) bool: pixels of the hue of that id's mesh, whatever the light on it."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(int)
    hue = cv2.cvtColor(np.array([[COLOURS[track_id % len(COLOURS)]]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0]
    away = np.abs(hsv[..., 0] - int(hue))
    found = (np.minimum(away, 180 - away) <= 6) & (hsv[..., 1] > 70) & (hsv[..., 2] > 60)
    found[-90:, :80] = False  # viser's own coloured axes
    return found


def see(browser: Chromium, name: str, condition, timeout_s: float = 200.0) -> np.ndarray:
    """Screenshots until one fulfils the condition and the next one is like it; software rendering is slow."""
    deadline = time.monotonic() + timeout_s
    before = None
    while True:
        image = browser.screenshot()
        good = condition(image)
        if KEEP:
            cv2.imwrite(str(Path(KEEP) / f"{name}.png"), image[..., ::-1])
        if good and before is not None and np.abs(image.astype(int) - before)[:, :500].mean() < 0.5:
            return image
        before = image if good else None
        assert time.monotonic() < deadline, f"the page never showed {name}"


def test_the_bodies_are_there_and_move(stage, tmp_path):
    stage.showing = (3, (1, 2))
    with Chromium(stage.scene.url, tmp_path / "profile") as browser:
        first = see(browser, "first", lambda image: min(has_colour(image, k).sum() for k in (1, 2)) > 800)
        text = browser.evaluate("document.body.innerText")
        stage.showing = (19, (1, 2))
        second = see(browser, "second", lambda i: (has_colour(i, 2) ^ has_colour(first, 2)).sum() > 100)
        stage.showing = (19, (2,))
        one_left = see(browser, "one_left", lambda image: has_colour(image, 1).sum() < 50)

    before, after = has_colour(first, 2), has_colour(second, 2)
    assert before.sum() > 800 and after.sum() > 800  # a body is there ...
    assert (before ^ after).sum() > 0.05 * before.sum()  # ... and moves
    assert (before & after).sum() > 0.5 * before.sum()  # without leaving its place
    rows, columns = np.nonzero(before)
    # It stands feet down: the lower half is narrower than the upper one with its arms.
    middle = rows.min() + np.ptp(rows) // 2
    assert np.ptp(columns[rows < middle]) > np.ptp(columns[rows >= middle])
    assert "2 people" in text and "latency" in text and "fps" in text and "cam1" in text
    assert has_colour(one_left, 2).sum() > 800
