"""What the benchmark concludes from measured milliseconds."""

import re

import pytest

from pipeline.bench import Measurement, report


def measurement(fps: float = 40.0, look_ms: float = 17.0, lift_ms: float = 5.0) -> Measurement:
    return Measurement(
        frames=200,
        fps=fps,
        bodies_per_frame=1.0,
        latency_p50_ms=30.0,
        latency_p99_ms=45.0,
        stage_ms={"decode": 8.0, "queue": 1.0, "publish": 0.25, "record": 0.25},
        network_ms={"trunk.int8.onnx": 15.0, "locator.int8.onnx": 5.0},
        look_ms=look_ms,
        look_network_ms=16.0,
        lift_ms=lift_ms,
        sinks_ms=0.5,
        look_outside_cpu_ms=0.8,
        outside_cpu_ms=2.0,
    )


def verdict(text: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}.*: (yes|NO)\)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def test_time_outside_is_what_neither_networks_nor_decoding_took():
    assert measurement().outside_ms == pytest.approx(17 + 5 - 20 + 0.5)
    assert measurement(lift_ms=50).look_outside_ms == pytest.approx(17 - 16), "bodies are made beside the next look"


@pytest.mark.parametrize(
    ("fps", "look_ms", "lift_ms", "answers"),
    [
        (40, 17, 5, ("yes", "yes", "yes", "yes")),
        (24, 20, 4, ("NO", "NO", "NO", "NO")),
        (40, 17, 6, ("yes", "yes", "NO", "yes")),
        (40, 19.2, 3, ("yes", "NO", "yes", "yes")),
    ],
)
def test_each_target_is_judged(fps, look_ms, lift_ms, answers):
    text = report(measurement(fps, look_ms, lift_ms), {"nanodet": 20.0, "movenet": 15, "blazepose": 25})
    names = ("frames per second", "  that the next frame waits for", "  all threads", "ours / teachers")
    assert tuple(verdict(text, name) for name in names) == answers
    assert f"{1000 / fps / 60:.2f}" in text


def test_times_outside_stand_under_one_heading():
    lines = report(measurement(), None).splitlines()
    first = lines.index("outside decode and networks") + 1
    found = [re.fullmatch(r" +(\S.*?\S) +([\d.]+) ms.*", line) for line in lines[first : first + 4]]
    assert [(each[1], each[2]) for each in found if each] == [
        ("that the next frame waits for", "1.00"),
        ("in processor time", "0.80"),
        ("all threads", "2.50"),
        ("in processor time", "2.00"),
    ]


def test_without_teachers_nothing_is_said_of_them():
    assert "teachers" not in report(measurement(), None)
