"""Who is lifted and from how many looks, with a reader and a lifter that the test can watch."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_POINTS
from engines.methods.bodies import Bodies
from engines.methods.evidence import CropRequest, Evidence, averaged
from engines.methods.trunk_method import TrunkMethod, peak_mass
from kernels.decode_heatmaps import decode_heatmaps

ENGINE = SimpleNamespace(describe=lambda: SimpleNamespace(model="m", sha256="s"), close=lambda: None)


class Reader:
    """Sees points at the centre of each square, as sure as the square's left edge says, wider ones further right."""

    engine = ENGINE

    def __init__(self) -> None:
        self.parted: list[int] = []

    def crops(self, requests):
        return np.zeros((len(requests), 8, 8, 3), np.uint8)

    def infer(self, crops, *, closely=False):
        return {}

    def read(self, outputs, crops, requests):
        points = np.empty((len(requests), NUM_POINTS, 3), np.float32)
        for row, request in enumerate(requests):
            points[row, :, :2] = request.center_px + np.array([request.side_px - 100, 0])
            points[row, :, 2] = peak_mass(np.float64(request.center_px[0] / 1000))
        depths = np.zeros((len(requests), NUM_POINTS), np.float32)
        return Evidence(points_px=points, depth_m=depths, person=None, features=None, crops=crops, outputs=outputs)

    def part(self, evidence, requests):
        self.parted.append(len(requests))
        return evidence


class Lifter:
    engines = ()

    def __init__(self) -> None:
        self.lifted: list[float] = []

    def __call__(self, evidence, requests):
        self.lifted += [request.center_px[0] for request in requests]
        count = len(requests)
        assert len(evidence.points_px) == len(evidence.crops) == count
        place = np.tile(np.float32([0, 0, 3]), (count, 1))
        return Bodies.of(load_body(), np.zeros((count, 24, 3), np.float32), np.zeros((count, 10), np.float32), place)


def request(sureness: float) -> CropRequest:
    image = np.zeros((9, 9, 3), np.uint8)
    center = np.array([1000 * sureness, 50.0])
    return CropRequest(image=image, center_px=center, side_px=100.0, intrinsics=Intrinsics.from_fov(1000, 1000))


@pytest.fixture
def parts():
    reader, lifter = Reader(), Lifter()
    return TrunkMethod(reader, lifter, load_body()), reader, lifter


def test_of_those_who_score_too_little_no_body_can_be_made(parts):
    method, reader, lifter = parts
    look = method.look([request(0.3), request(0.8), request(0.5)], [0.4, 0.4, 0.6], {})
    assert look.rows == [1] and reader.parted == [1] and len(look.evidence.crops) == 1
    assert [one.score for one in look.seen] == pytest.approx([0.3, 0.8, 0.5])
    assert lifter.lifted == [] and not any(isinstance(one, BodyEstimate) for one in look.seen)
    (body,) = method.lift(look, [1], {})
    assert isinstance(body, BodyEstimate) and body.score == look.seen[1].score and lifter.lifted == [800]
    nobody = method.look([request(0.3)], [0.4], {})
    assert nobody.rows == [] and method.lift(nobody, [], {}) == [] and lifter.lifted == [800]


def test_bodies_are_made_of_those_who_are_asked_for_in_that_order(parts):
    method, _, lifter = parts
    look = method.look([request(sureness) for sureness in (0.1, 0.5, 0.6, 0.7)], [0.2] * 4, {})
    assert [body.score for body in method.lift(look, [3, 1], {})] == pytest.approx([0.7, 0.5])
    assert lifter.lifted == [700, 500]


def test_a_look_may_be_lifted_after_the_next_one(parts):
    method, _, lifter = parts
    first, second = (method.look([request(sureness)], [0.0], {}) for sureness in (0.5, 0.8))
    for look, sureness in ((first, 0.5), (second, 0.8)):
        (body,) = method.lift(look, [0], {})
        assert body.score == pytest.approx(sureness) and body.points_px[0, 0] == pytest.approx(1000 * sureness)
    assert lifter.lifted == [500, 800]


def test_estimates_are_made_of_everybody(parts):
    method, _, lifter = parts
    assert len(method.estimate([request(0.01), request(0.8)], {})) == 2
    assert lifter.lifted == [10, 800]


def test_squares_of_other_sizes_are_averaged(parts):
    method, _, _ = parts
    plain, closely = method.estimate([request(0.5), replace(request(0.7), scales=(1.1, 1.5))], {})
    assert plain.points_px[0, 0] == pytest.approx(500)
    assert closely.points_px[0, 0] == pytest.approx(700 + (0 + 10 + 50) / 3)


def test_a_look_that_is_unsure_hardly_counts():
    points = np.zeros((2, NUM_POINTS, 3), np.float32)
    points[1] = 100, 40, 0.1
    points[0, :, 2] = 0.8
    places, depths = averaged([(points[0], np.zeros(NUM_POINTS)), (points[1], np.ones(NUM_POINTS))])
    assert places[0, :2] == pytest.approx((0.195, 0.078), abs=1e-3)
    assert places[0, 2] == pytest.approx(0.45) and depths[0] == pytest.approx(0.00195, abs=1e-5)


class Maps(Reader):
    """A reader of heatmaps: every point at the same place, in a peak of so much mass."""

    mass = 0.3

    def infer(self, crops, *, closely=False):
        heatmaps = np.full((len(crops), NUM_POINTS, 64, 64), (1 - self.mass) / 64**2, np.float32)
        heatmaps[..., 20, 40] += self.mass
        return {"heatmaps": heatmaps}

    def read(self, outputs, crops, requests):
        points = decode_heatmaps(outputs["heatmaps"], 100.0)
        points[..., :2] += requests[0].center_px - requests[0].side_px / 2
        depths = np.zeros(points.shape[:2], np.float32)
        return Evidence(points_px=points, depth_m=depths, person=None, features=None, crops=crops, outputs=outputs)


def test_where_points_were_makes_them_surer_and_the_body_not():
    method = TrunkMethod(Maps(), Lifter(), load_body())
    first, second, third = (
        method.look([replace(request(0.5), person="somebody", time_s=time_s)], [0.0], {}).seen[0]
        for time_s in (0, 0.03, 0.06)
    )
    assert first.points_px[0, 2] + 0.1 < second.points_px[0, 2] <= third.points_px[0, 2] + 1e-3
    assert second.score == pytest.approx(first.score, abs=1e-3) and third.score == pytest.approx(first.score, abs=1e-3)


def test_where_bodies_turned_out_to_be_is_known_once_it_is_remembered():
    reader = Maps()
    reader.mass = 0.9
    method = TrunkMethod(reader, Lifter(), load_body())
    requests = [replace(request(0.5), person="somebody")]
    look = method.look(requests, [0.0], {})
    bodies = method.lift(look, [0], {})
    memory = method._facing._people.get("somebody")
    assert memory.seen is None
    method.remember(requests, bodies)
    assert memory.seen.depth_m == pytest.approx(bodies[0].joints[12, 2])
