"""Smoothing of bodies: what is kept, what starts afresh, what converges, and what it gains on a known motion."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from pipeline.one_euro import OneEuro
from pipeline.smoothing import PRESETS, Smoother, SmoothingSettings
from pipeline.smoothing_report import measure

BODY = load_body()


def estimate(*, turn=0.0, place=(0.3, 0.1, 4.0), betas=None, score=0.9):
    pose = np.zeros((24, 3), np.float32)
    pose[0, 0] = np.pi
    pose[16, 2] = turn
    betas = np.zeros(10, np.float32) if betas is None else np.asarray(betas, np.float32)
    translation = np.array(place, np.float32)
    return BodyEstimate(
        pose=pose,
        betas=betas,
        translation=translation,
        joints=BODY.joints(pose[None], betas[None], translation[None])[0],
        points_px=np.random.default_rng(0).uniform(0, 300, (41, 3)).astype(np.float32),
        score=score,
        quality=0.8,
    )


def turn_of(smoothed):
    return float(np.linalg.norm(smoothed.pose[16]))


def test_none_changes_nothing():
    given = estimate()
    assert Smoother("none").apply("s", 1, 0.0, given, BODY) is given


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "none"])
@pytest.mark.parametrize("start_s", [0.0, 1e5])
def test_a_steady_body_stays_what_it_is(preset, start_s):
    smoother, given = Smoother(preset), estimate(turn=0.4, betas=np.linspace(-1, 1, 10))
    for i in range(5):
        out = smoother.apply("s", 1, start_s + i / 30, given, BODY)
        assert Rotation.from_rotvec(out.pose[0]).approx_equal(Rotation.from_rotvec(given.pose[0]), atol=1e-3)
        np.testing.assert_allclose(out.joints, given.joints, atol=1e-4)
        np.testing.assert_allclose(out.betas, given.betas, atol=1e-6)
        assert out.points_px is given.points_px and (out.score, out.quality) == (given.score, given.quality)


def test_starting_at_zero_is_like_starting_later():
    """A time stamp of 0 is a time stamp."""
    outs = []
    for start in (0.0, 5.0):
        smoother = Smoother()
        outs.append([smoother.apply("s", 1, start + i / 30, estimate(turn=0.1 * i), BODY) for i in range(4)])
    for a, b in zip(*outs, strict=True):
        np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
    assert turn_of(outs[0][1]) < 0.09, "the second frame is smoothed already"


def test_joints_belong_to_the_parameters():
    smoother = Smoother()
    for i in range(4):
        out = smoother.apply("s", 1, i / 30, estimate(turn=0.3 * i, place=(0.1 * i, 0, 4)), BODY)
    expected = BODY.joints(out.pose[None], out.betas[None], out.translation[None])[0]
    np.testing.assert_allclose(out.joints, expected, atol=1e-6)
    assert {a.dtype for a in (out.pose, out.betas, out.translation, out.joints)} == {np.dtype(np.float32)}


@pytest.mark.parametrize(("stream", "track_id"), [("other", 1), ("s", 2)])
def test_people_do_not_touch_each_other(stream, track_id):
    smoother = Smoother()
    smoother.apply("s", 1, 0.0, estimate(turn=0.0), BODY)
    assert turn_of(smoother.apply(stream, track_id, 0.03, estimate(turn=1.0), BODY)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("later_s", [1.0, -0.5])
def test_a_loss_starts_afresh(later_s):
    smoother = Smoother()
    for i in range(30):
        smoother.apply("s", 1, 1 + i / 30, estimate(turn=1.5), BODY)
    after_loss = smoother.apply("s", 1, 1 + 29 / 30 + later_s, estimate(turn=0.2), BODY)
    assert turn_of(after_loss) == pytest.approx(0.2, abs=1e-4)
    fresh = Smoother()
    fresh.apply("s", 1, 0.0, estimate(turn=0.2), BODY)
    # No speed of before is kept either: the next step is that of a filter that never knew it.
    following = smoother.apply("s", 1, 1 + 30 / 30 + later_s, estimate(turn=0.6), BODY)
    assert turn_of(following) == pytest.approx(turn_of(fresh.apply("s", 1, 1 / 30, estimate(turn=0.6), BODY)), abs=1e-3)


def test_shape_converges_and_survives_a_loss():
    rng = np.random.default_rng(0)
    truth, smoother = np.linspace(-1.5, 1.5, 10), Smoother()
    shapes = [
        smoother.apply("s", 1, i / 30, estimate(betas=truth + 0.5 * rng.normal(size=10)), BODY).betas
        for i in range(300)
    ]
    assert np.abs(shapes[-1] - truth).mean() < 0.06
    early, late = (np.abs(np.diff(part, axis=0)).max() for part in (shapes[:30], shapes[-30:]))
    assert late < 0.1 * early, "its inertia grows"
    back = smoother.apply("s", 1, 12.0, estimate(betas=-truth), BODY).betas
    assert np.abs(back - truth).mean() < 0.25


def test_a_doubtful_look_changes_the_shape_less():
    moved = []
    for score in (0.9, 0.3):
        smoother = Smoother()
        smoother.apply("s", 1, 0.0, estimate(), BODY)
        moved.append(smoother.apply("s", 1, 0.05, estimate(betas=np.ones(10), score=score), BODY).betas[0])
    assert 0 < moved[1] < 0.5 * moved[0]


def test_a_corrected_shape_keeps_its_size_in_the_picture():
    """A taller body for a shorter one, farther away: what the camera saw is the same."""
    camera = Intrinsics.from_fov(1280, 720)
    smoother = Smoother()
    smoother.apply("s", 1, 0.0, estimate(betas=np.zeros(10)), BODY)
    tall = np.zeros(10)
    tall[np.argmax(np.abs(np.ptp(BODY.joints_shapedirs[:, 1], axis=0)))] = 2.5
    seen = estimate(betas=tall)
    out = smoother.apply("s", 1, 100.0, seen, BODY)
    assert np.abs(out.betas - seen.betas).max() > 0.1, "the shape was corrected"
    heights = [np.ptp(camera.project(e.joints)[:, 1]) for e in (seen, out)]
    assert heights[1] == pytest.approx(heights[0], rel=0.01)
    shift = camera.project(out.translation) - camera.project(seen.translation)
    assert np.abs(shift).max() < 0.01


def test_the_frame_rate_does_not_matter():
    """The same turn, sampled at 15, 30 and 60 Hz, is answered alike after the same time."""
    answers = []
    for fps in (15, 30, 60):
        smoother = Smoother(replace(PRESETS["default"], rotation=OneEuro(0.5, 0.0)))
        for i in range(fps + 1):
            out = smoother.apply("s", 1, i / fps, estimate(turn=0.0 if i == 0 else 1.0), BODY)
        answers.append(turn_of(out))
    # A step through a low-pass of 0.5 Hz: 1 - exp(-pi) after a second; sampled at 15 Hz it lags somewhat.
    np.testing.assert_allclose(answers, 1 - np.exp(-np.pi), atol=0.03)


def test_a_body_behind_the_camera_is_left_alone():
    given = estimate(place=(0, 0, -1))
    assert Smoother().apply("s", 1, 0.0, given, BODY) is given


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="smoothing is 'very', it must be one of none"):
        Smoother("very")
    parts = {name: OneEuro(1, 1) for name in ("rotation", "direction", "depth")}
    with pytest.raises(ValueError, match="reset_after_s is 0"):
        SmoothingSettings(**parts, reset_after_s=0)


def test_it_takes_jitter_and_adds_little_lag():
    """Bounds with room of a quarter around what `python -m pipeline.smoothing_report` shows."""
    figures = measure(seconds=6.0, body=BODY)
    raw, default = figures["none"], figures["default"]
    assert default.jitter_m_s2 < 0.6 * raw.jitter_m_s2
    assert default.error_mm < 1.05 * raw.error_mm
    assert default.lag_ms < 25
    assert figures["smooth"].jitter_m_s2 < default.jitter_m_s2 < figures["low-latency"].jitter_m_s2
    assert figures["low-latency"].lag_ms <= default.lag_ms <= figures["smooth"].lag_ms
