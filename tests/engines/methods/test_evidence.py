"""Mirror averaging and the way from crops to source pixels, with an engine whose answers the test paints."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engines.camera import Intrinsics
from engines.keypoints import NUM_POINTS, PART_NAMES, POINT_NAMES
from engines.methods.evidence import PRESENCE, CropRequest, TrunkReader, average_with_mirror, read_trunk
from engines.methods.presence import Presence

CELLS = 40
REQUEST = CropRequest(
    image=np.zeros((480, 640, 3), np.uint8),
    center_px=np.array([200.0, 300.0]),
    side_px=80.0,
    intrinsics=Intrinsics.from_fov(640, 480),
)


def outputs_of(views: list[dict[str, tuple[float, float]]]) -> dict[str, np.ndarray]:
    """One view per crop: point name -> cell x, y; depth is the x; parts mark the left hand at the left wrist."""
    heatmaps = np.full((len(views), NUM_POINTS, CELLS, CELLS), 1e-6, np.float32)
    depth = np.zeros((len(views), NUM_POINTS), np.float32)
    parts = np.zeros((len(views), len(PART_NAMES), CELLS, CELLS), np.float32)
    parts[:, 0] = 1
    for row, view in enumerate(views):
        for name, (x, y) in view.items():
            heatmaps[row, POINT_NAMES.index(name), int(y), int(x)] = 1
            depth[row, POINT_NAMES.index(name)] = 0.3 if name.startswith("left") else -0.2
            side = "left" if name.startswith("left") else "right"
            parts[row, PART_NAMES.index(f"{side}_hand"), int(y), int(x)] = 5
    heatmaps /= heatmaps.sum((2, 3), keepdims=True)
    return {"heatmaps": heatmaps, "depth": depth, "parts": parts, "features": np.zeros((len(views), 2, 5, 5))}


def test_a_mirror_image_that_agrees_changes_nothing():
    seen = {"left_wrist": (30, 8), "right_wrist": (5, 12)}
    mirrored = {"right_wrist": (CELLS - 1 - 30, 8), "left_wrist": (CELLS - 1 - 5, 12)}
    both = outputs_of([seen, mirrored])
    both["depth"][1, [POINT_NAMES.index("left_wrist"), POINT_NAMES.index("right_wrist")]] = -0.2, 0.3
    alone, averaged = outputs_of([seen]), average_with_mirror(both)
    for name in ("left_wrist", "right_wrist"):
        index = POINT_NAMES.index(name)
        assert averaged["heatmaps"][0, index] == pytest.approx(alone["heatmaps"][0, index], abs=1e-5)
        assert averaged["depth"][0, index] == pytest.approx(alone["depth"][0, index])
    assert averaged["parts"] == pytest.approx(alone["parts"])


def test_a_mirror_image_that_disagrees_halves_the_certainty():
    both = outputs_of([{"left_wrist": (30, 8)}, {"right_wrist": (2, 8)}])
    heatmap = average_with_mirror(both)["heatmaps"][0, POINT_NAMES.index("left_wrist")]
    assert heatmap[8, 30] == pytest.approx(0.5, abs=0.01)
    assert heatmap[8, CELLS - 1 - 2] == pytest.approx(0.5, abs=0.01)


def test_points_land_in_source_pixels():
    evidence = read_trunk(outputs_of([{"left_wrist": (30, 8)}]), np.zeros((1, 160, 160, 3), np.uint8), [REQUEST])
    x, y, confidence = evidence.points_px[0, POINT_NAMES.index("left_wrist")]
    assert (x, y) == pytest.approx((200 + (30.5 / 40 - 0.5) * 80, 300 + (8.5 / 40 - 0.5) * 80), abs=0.1)
    assert confidence > 0.9
    assert evidence.person[0, 8, 30]
    assert evidence.person[0].sum() == 1


class CountingEngine:
    """An engine that tells how many crops it was shown."""

    inputs = (SimpleNamespace(shape=(None, 4 * CELLS, 4 * CELLS, 3)),)

    def __init__(self) -> None:
        self.shown: list[int] = []

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.shown.append(len(inputs["crops"]))
        return outputs_of([{"left_wrist": (3, 3)}] * len(inputs["crops"]))


@pytest.mark.parametrize(("mirror", "shown"), [(True, [4, 4]), (False, [2, 2]), (None, [2, 4])])
def test_mirror_images_are_looked_at_where_they_are_wanted(mirror, shown):
    engine = CountingEngine()
    reader = TrunkReader(engine, mirror=mirror)
    for closely in (False, True):
        found = reader.infer(np.zeros((2, 4 * CELLS, 4 * CELLS, 3), np.uint8), closely=closely)
        assert len(found["heatmaps"]) == 2
    assert engine.shown == shown


def test_presence_is_asked_where_somebody_is_doubted():
    outputs, crops = outputs_of([{}, {}]), np.zeros((2, 4 * CELLS, 4 * CELLS, 3), np.uint8)
    outputs["features"][1] = 1
    presence = Presence(weight=np.array([0, 0, 0, -2], np.float32), bias=0.5)
    reader = TrunkReader(CountingEngine(), mirror=False, presence=presence)
    evidence = reader.read(outputs, crops, [REQUEST, replace(REQUEST, doubted=True)])
    assert evidence.outputs[PRESENCE] == pytest.approx([1, np.exp(-1.5)])
    assert evidence.of([1]).outputs[PRESENCE] == pytest.approx([np.exp(-1.5)])
    assert PRESENCE not in reader.read(outputs, crops, [REQUEST, REQUEST]).outputs
    plain = TrunkReader(CountingEngine(), mirror=False)
    assert PRESENCE not in plain.read(outputs, crops, [replace(REQUEST, doubted=True)] * 2).outputs
