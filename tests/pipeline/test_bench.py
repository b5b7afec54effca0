"""What the benchmark concludes from measured milliseconds."""

import re

import pytest

from pipeline.bench import Measurement, report


def measurement(fps: float = 40.0, estimator_ms: float = 22.0) -> Measurement:
    return Measurement(
        frames=200,
        fps=fps,
        bodies_per_frame=1.0,
        latency_p50_ms=30.0,
        latency_p99_ms=45.0,
        stage_ms={"decode": 8.0, "queue": 1.0, "publish": 0.25, "record": 0.25},
        network_ms={"trunk.int8.onnx": 15.0, "locator.int8.onnx": 5.0},
        estimator_ms=estimator_ms,
        sinks_ms=0.5,
        outside_cpu_ms=2.0,
    )


def verdict(text: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}.*: (yes|NO)\)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_time_outside_is_what_neither_networks_nor_decoding_took():
    assert measurement().outside_ms == pytest.approx(22 - 20 + 0.5)


@pytest.mark.parametrize(
    ("fps", "estimator_ms", "answers"), [(40, 22, ("yes", "yes", "yes")), (24, 24, ("NO", "NO", "NO"))]
)
def test_each_target_is_judged(fps, estimator_ms, answers):
    text = report(measurement(fps=fps, estimator_ms=estimator_ms), {"nanodet": 20.0, "movenet": 15, "blazepose": 25})
    names = ("frames per second", "outside decode and networks", "ours / teachers")
    assert tuple(verdict(text, name) for name in names) == answers
    assert f"{1000 / fps / 60:.2f}" in text


def test_without_teachers_nothing_is_said_of_them():
    assert "teachers" not in report(measurement(), None)
