"""Errors against an independent alignment (SciPy's rotation fit) and bodies displaced by known amounts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.metrics import mpjpe, pa_mpjpe
from pipeline.truth import TrueBody, TruthMeter, match
from pipeline.types import TrackedBody

CAMERA = Intrinsics.from_fov(1280, 720)
SEEDS = st.integers(0, 2**32 - 1)


def person(x: float, z: float = 4.0, seed: int = 0) -> np.ndarray:
    """Joints (24, 3) of something as large as a person, its pelvis at (x, 0, z)."""
    joints = np.random.default_rng(seed).uniform((-0.3, -0.8, -0.2), (0.3, 0.8, 0.2), (24, 3))
    joints[0] = 0
    return (joints + np.array((x, 0, z))).astype(np.float32)


def true(joints: np.ndarray) -> TrueBody:
    pose, betas = np.zeros((24, 3), np.float32), np.zeros(10, np.float32)
    return TrueBody(pose=pose, betas=betas, translation=joints[0], joints=joints)


def found(joints: np.ndarray, track_id: int = 1) -> TrackedBody:
    estimate = BodyEstimate(
        pose=np.zeros((24, 3), np.float32), betas=np.zeros(10, np.float32), translation=joints[0], joints=joints,
        points_px=np.zeros((41, 3), np.float32), score=1.0, quality=1.0,
    )  # fmt: skip
    return TrackedBody(track_id=track_id, box_xyxy=np.zeros(4, np.float32), estimate=estimate)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(0.2, 5))
def test_similar_bodies_have_no_aligned_error(seed, scale):
    truth = person(0.3, seed=seed).astype(np.float64)
    turned = scale * Rotation.random(random_state=seed).apply(truth) + (1, 2, 3)
    assert pa_mpjpe(turned, truth) < 1e-6


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_aligned_error_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(24, 3))
    estimate = truth + rng.normal(0, 0.3, (24, 3))
    a, b = estimate - estimate.mean(axis=0), truth - truth.mean(axis=0)
    rotation, _ = Rotation.align_vectors(b, a)
    turned = rotation.apply(a)
    scale = (turned * b).sum() / (a * a).sum()
    assert pa_mpjpe(estimate, truth) == pytest.approx(np.linalg.norm(scale * turned - b, axis=1).mean())


def test_a_mirrored_body_is_not_the_same_body():
    truth = person(0.0)
    assert pa_mpjpe(truth * (-1, 1, 1), truth) > 0.05


def test_mpjpe_ignores_the_place_only():
    truth = person(0.0)
    assert mpjpe(truth + 5, truth) == pytest.approx(0, abs=1e-5)
    moved = truth.copy()
    moved[1:] += (0, 0.03, 0.04)
    assert mpjpe(moved, truth) == pytest.approx(0.05 * 23 / 24, abs=1e-6)


def test_bodies_are_matched_by_place_whatever_their_order():
    left, right = person(-1.0, seed=1), person(1.0, seed=2)
    pairs = match([found(right, 7), found(left, 8)], [true(left), true(right)], CAMERA)
    assert {(t.track_id, float(b.joints[0, 0])) for t, b in pairs} == {(8, -1.0), (7, 1.0)}
    assert match([found(left)], [true(right)], CAMERA) == []


def test_meter_counts_missed_false_and_invisible_bodies_and_averages_errors():
    near, outside = person(0.0), person(40.0)
    off = near.copy()
    off[1:] += (0.03, 0, 0.04)
    meter = TruthMeter()
    meter.add([found(near)], [true(near), true(outside)], CAMERA, (1280, 720))
    meter.add([found(off)], [true(near)], CAMERA, (1280, 720))
    meter.add([], [true(near)], CAMERA, (1280, 720))
    meter.add([found(person(-1.5))], [], CAMERA, (1280, 720))
    report = meter.report()
    assert report["bodies_compared"] == 2
    assert (report["bodies_expected"], report["bodies_missed"], report["bodies_false"]) == (3, 1, 1)
    assert report["mpjpe_mm"] == pytest.approx(50 * 23 / 24 / 2, abs=0.1)
    assert 0 < report["pa_mpjpe_mm"] < report["mpjpe_mm"]


def test_without_a_match_no_error_is_claimed():
    assert "mpjpe_mm" not in TruthMeter().report()
