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


@pytest.fixture
def stage(tmp_path):
    """A publisher of the frames that the test writes, the viewer of it, and a browser that looks at it."""
    publisher = Publisher("tcp://127.0.0.1:0", BODY)
    subscription = subscribe(publisher.bound_address, latest=True)
    scene = BodyScene(BODY, port=0)
    stop = threading.Event()
    viewer = LiveViewer(scene, subscription)

    def view():
        while not stop.is_set():
            viewer.step(subscription.next_frame(0.05), time.monotonic())

    thread = threading.Thread(target=view)
    thread.start()
    with Chromium(scene.url, tmp_path / "profile") as browser:
        yield publisher, browser
    stop.set()
    thread.join()
    subscription.close()
    publisher.close()
    scene.close()


def has_colour(image: np.ndarray, track_id: int) -> np.ndarray:
    """(H, W) bool: pixels of the hue of that id's mesh, whatever the light on it."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(int)
    hue = cv2.cvtColor(np.array([[COLOURS[track_id % len(COLOURS)]]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0]
    away = np.abs(hsv[..., 0] - int(hue))
    return (np.minimum(away, 180 - away) <= 6) & (hsv[..., 1] > 70) & (hsv[..., 2] > 60)


def watch(publisher, browser, index, ids, condition, timeout_s=90.0):
    """Publish the same frame until a screenshot fulfils the condition, and one more; the last screenshot."""
    deadline = time.monotonic() + timeout_s
    while True:
        for _ in range(5):
            publisher.write(result(BODY, index, ids))
            time.sleep(0.05)
        if condition(image := browser.screenshot()):
            time.sleep(0.5)
            publisher.write(result(BODY, index, ids))
            return browser.screenshot()
        if time.monotonic() > deadline:
            cv2.imwrite(str(Path(KEEP or ".") / "failed.png"), image[..., ::-1])
            raise AssertionError("the page never showed what was published")


def test_the_bodies_are_there_and_move(stage):
    publisher, browser = stage
    images = {}
    images["arm_up"] = watch(publisher, browser, 3, (1, 2), lambda i: min(has_colour(i, k).sum() for k in (1, 2)) > 800)
    images["arm_down"] = watch(
        publisher, browser, 19, (1, 2), lambda i: (has_colour(i, 2) ^ has_colour(images["arm_up"], 2)).sum() > 100
    )
    text = browser.evaluate("document.body.innerText")
    images["one_left"] = watch(publisher, browser, 19, (2,), lambda i: has_colour(i, 1).sum() < 50)
    for name, image in images.items() if KEEP else ():
        cv2.imwrite(str(Path(KEEP or ".") / f"{name}.png"), image[..., ::-1])

    up, down = (has_colour(images[name], 2) for name in ("arm_up", "arm_down"))
    assert up.sum() > 800 and down.sum() > 800  # a body is there ...
    assert (up ^ down).sum() > 0.05 * up.sum()  # ... and moves
    assert (up & down).sum() > 0.5 * up.sum()  # without leaving its place
    rows, columns = np.nonzero(up)
    assert np.ptp(rows) > 1.2 * np.ptp(columns) * 0.8  # and stands upright, arms half spread
    # It stands feet down: the lower half is narrower than the upper one with its arms.
    middle = rows.min() + np.ptp(rows) // 2
    assert np.ptp(columns[rows < middle]) > np.ptp(columns[rows >= middle])
    assert "2 people" in text and "latency" in text and "fps" in text and "cam1" in text
    assert has_colour(images["one_left"], 2).sum() > 800
