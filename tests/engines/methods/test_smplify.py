"""The lifter between frames: who starts warm, who is forgotten, and that wrong turns are left again."""

import numpy as np
import pytest

from engines.body import load_body
from engines.methods import CropRequest
from engines.methods.evidence import Evidence
from engines.methods.smplify import RETRY_S, STALE_S, SmplifyLifter
from engines.metrics import pa_mpjpe
from tests.engines.fitting.people import CAMERA, draw_people

PICTURE = np.zeros((2, 2, 3), np.uint8)


@pytest.fixture
def lifter():
    return SmplifyLifter(load_body())


def _seen(people):
    return Evidence(
        points_px=people.points_px.astype(np.float32), depth_m=people.depth_m.astype(np.float32),
        person=None, features=None, crops=np.zeros((len(people.pose), 2, 2, 3), np.uint8), outputs={},
    )  # fmt: skip


def _requests(people, names, time_s):
    return [
        CropRequest(
            image=PICTURE, center_px=points[17, :2], side_px=600.0, intrinsics=CAMERA, person=name, time_s=time_s
        )
        for points, name in zip(people.points_px, names, strict=True)
    ]


def _count_fits(lifter, monkeypatch):
    counts = {"cold": 0, "warm": 0}
    for kind in counts:
        real = getattr(lifter._fit, kind)

        def counted(*args, real=real, kind=kind, **more):
            counts[kind] += len(args[-1].weight)
            return real(*args, **more)

        monkeypatch.setattr(lifter._fit, kind, counted)
    return counts


def test_bodies_are_those_of_the_points(lifter):
    people = draw_people(2, seed=11)
    bodies = lifter(_seen(people), _requests(people, ["a", "b"], 0.0))
    assert 1000 * pa_mpjpe(bodies.joints, people.cloud[:, 17:]).max() < 45
    again = load_body().joints(bodies.pose, bodies.betas, bodies.translation)
    np.testing.assert_allclose(again, bodies.joints, atol=1e-5)


def test_who_was_seen_a_moment_ago_starts_from_there(lifter, monkeypatch):
    counts = _count_fits(lifter, monkeypatch)
    people = draw_people(2, seed=12)
    lifter(_seen(people), _requests(people, ["a", None], 0.0))
    assert counts == {"cold": 2, "warm": 0}
    lifter(_seen(people), _requests(people, ["a", None], 0.1))
    # Nobody remembers who has no name.
    assert counts == {"cold": 3, "warm": 1}
    lifter(_seen(people), _requests(people, ["a", "b"], 0.2 + STALE_S))
    assert counts == {"cold": 5, "warm": 1}
    lifter(_seen(people), _requests(people, ["a", "b"], 0.0))
    # A clock that ran backwards.
    assert counts == {"cold": 7, "warm": 1}


def test_a_wrong_turn_is_left_at_the_next_retry(lifter):
    front, back = draw_people(1, seed=13), draw_people(1, seed=13, heading=np.pi)
    lifter(_seen(front), _requests(front, ["a"], 0.0))
    errors = []
    for frame in range(1, int(RETRY_S * 10) + 3):
        bodies = lifter(_seen(back), _requests(back, ["a"], frame / 10))
        errors.append(1000 * pa_mpjpe(bodies.joints, back.cloud[:, 17:])[0])
    assert errors[-1] < 45


def test_memory_has_a_bound(lifter, monkeypatch):
    monkeypatch.setattr("engines.methods.recent_people.MAX_PEOPLE", 2)
    people = draw_people(1, seed=14)
    for name in "abc":
        lifter(_seen(people), _requests(people, [name], 0.0))
    assert list(lifter._people) == ["b", "c"]
