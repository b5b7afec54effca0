"""What smoothing takes from jitter and adds in lag, on a motion whose truth is known.

Run `python -m pipeline.smoothing_report`.
Somebody walks, stops and gestures in front of the camera. Noise as networks make it is added: independent per frame,
and wandering over a few frames. Jitter is the error of the joints' acceleration; lag is the delay of the truth with
which the smoothed joints agree best, over that of the raw ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engines.body import BodyModel, load_body
from engines.estimate import BodyEstimate
from engines.keypoints import NUM_JOINTS, NUM_POINTS
from pipeline.smoothing import PRESETS, Smoother, size_ratio

FINE_HZ = 240
"""Rate at which the truth is known: lags are found to 4 ms."""
MAX_LAG_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothingFigures:
    """Of one preset."""

    jitter_m_s2: float
    """Mean error of the joints' acceleration, m / s^2."""
    error_mm: float
    """Mean error of the joints' position."""
    lag_ms: float
    """Delay over that of the raw estimates."""
    moving_lag_ms: float
    """The same over the fastest third of all joints and times: where lag is seen."""


@dataclass(frozen=True, slots=True)
class Motion:
    """True parameters over time, (T, ...) at `FINE_HZ`."""

    pose: np.ndarray
    translation: np.ndarray
    betas: np.ndarray

    @classmethod
    def walk_stop_gesture(cls, seconds: float, seed: int = 0) -> Motion:
        """Procedural: every joint swings at walking pace, with pauses of a second and a half every four seconds."""
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * FINE_HZ)) / FINE_HZ
        moving = np.clip(np.sin(2 * np.pi * t / 4) * 4 + 2, 0, 1)
        walked_s = np.cumsum(moving) / FINE_HZ
        phase = rng.uniform(0, 2 * np.pi, (NUM_JOINTS, 3))
        swing = rng.uniform(0.05, 0.35, (NUM_JOINTS, 3)) * rng.choice([1.0, 2.5], NUM_JOINTS, p=[0.8, 0.2])[:, None]
        rate_hz = rng.choice([0.5, 1.0, 2.0], (NUM_JOINTS, 1), p=[0.3, 0.5, 0.2])
        pose = swing * np.sin(2 * np.pi * rate_hz * walked_s[:, None, None] + phase)
        pose[:, 0] *= 0.3
        pose[:, 0, 0] += np.pi
        path = np.stack([1.2 * np.sin(walked_s), np.full_like(t, 0.1), 4 + 1.2 * np.cos(0.7 * walked_s)], axis=-1)
        return cls(pose, path, rng.normal(size=10) * 0.7)


def noisy_estimates(
    motion: Motion, fps: float, body: BodyModel, seed: int = 1
) -> tuple[np.ndarray, list[BodyEstimate]]:
    """Indices into the motion, and what networks might say at these times."""
    rng = np.random.default_rng(seed)
    index = np.round(np.arange(0, len(motion.pose), FINE_HZ / fps)).astype(int)
    index = index[index < len(motion.pose)]
    count = len(index)
    pose = motion.pose[index] + np.radians(2) * (
        rng.normal(size=(count, NUM_JOINTS, 3)) + _wandering(rng, (count, NUM_JOINTS, 3))
    )
    depth_noise = 1 + 0.01 * rng.normal(size=(count, 1)) + 0.01 * _wandering(rng, (count, 1))
    translation = motion.translation[index] * depth_noise
    translation[:, :2] += 0.004 * rng.normal(size=(count, 2))
    betas = motion.betas + 0.3 * rng.normal(size=(count, 10))
    # What is certain is the size in the picture: who is taken for tall is taken for far.
    translation *= np.array([[size_ratio(body, b, motion.betas)] for b in betas])
    arrays = [a.astype(np.float32) for a in (pose, betas, translation)]
    joints = body.joints(*arrays)
    points = np.zeros((NUM_POINTS, 3), np.float32)
    return index, [
        BodyEstimate(pose=p, betas=b, translation=t, joints=j, points_px=points, score=0.9, quality=0.9)
        for p, b, t, j in zip(*arrays, joints, strict=True)
    ]


def measure(
    presets: Iterable[str] = tuple(PRESETS), *, fps: float = 30.0, seconds: float = 12.0, body: BodyModel | None = None
) -> dict[str, SmoothingFigures]:
    """Figures of presets of `pipeline.smoothing.PRESETS`."""
    body = body or load_body()
    motion = Motion.walk_stop_gesture(seconds)
    truth = body.joints(motion.pose, motion.betas[None], motion.translation)
    index, raw = noisy_estimates(motion, fps, body)
    noisy = np.stack([estimate.joints for estimate in raw])
    speed = np.linalg.norm(np.gradient(truth, axis=0), axis=-1)[index]
    fast, everywhere = speed > np.quantile(speed, 2 / 3), np.ones_like(speed, bool)
    raw_lags = [_lag_ms(noisy, truth, index, where) for where in (everywhere, fast)]
    figures = {}
    for preset in presets:
        smoother = Smoother(preset)
        steps = zip(index, raw, strict=True)
        smooth = np.stack([smoother.apply("report", 1, i / FINE_HZ, estimate, body).joints for i, estimate in steps])
        lags = [_lag_ms(smooth, truth, index, where) for where in (everywhere, fast)]
        figures[preset] = SmoothingFigures(
            jitter_m_s2=_mean_norm(np.diff(smooth - truth[index], n=2, axis=0)) * fps**2,
            error_mm=1000 * _mean_norm(smooth - truth[index]),
            lag_ms=lags[0] - raw_lags[0],
            moving_lag_ms=lags[1] - raw_lags[1],
        )
    return figures


def _wandering(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of unit variance that remembers five frames."""
    keep = 0.8
    out = rng.normal(size=shape)
    for i in range(1, len(out)):
        out[i] = keep * out[i - 1] + (1 - keep**2) ** 0.5 * out[i]
    return out


def _mean_norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(x, axis=-1).mean())


def _lag_ms(joints: np.ndarray, truth: np.ndarray, index: np.ndarray, where: np.ndarray) -> float:
    """Delay of ``truth`` that ``joints`` (T, 24, 3) agree with best, over the joints and times ``where`` (T, 24)."""
    steps = np.arange(round(MAX_LAG_S * FINE_HZ))
    usable = index >= steps[-1]
    errors = [((joints - truth[np.maximum(index - k, 0)])[usable][where[usable]] ** 2).sum() for k in steps]
    return 1000 * float(steps[int(np.argmin(errors))]) / FINE_HZ


def main() -> None:
    """Prints the table."""
    figures = measure()
    print(f"{'smoothing':12} {'jitter':>12} {'of raw':>7} {'error':>8} {'lag':>8} {'in motion':>10}")
    for preset, f in figures.items():
        print(
            f"{preset:12} {f.jitter_m_s2:7.2f} m/s2 {f.jitter_m_s2 / figures['none'].jitter_m_s2:7.2f} "
            f"{f.error_mm:5.1f} mm {f.lag_ms:5.0f} ms {f.moving_lag_ms:7.0f} ms"
        )


if __name__ == "__main__":
    main()
