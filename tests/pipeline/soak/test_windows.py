"""What a soak run concludes from its rows: each thing that may go wrong is found, and nothing else."""

from dataclasses import replace

import pytest

from pipeline.chaos.target import Footprint
from pipeline.soak.windows import Row, Window, judge

FOOTPRINT = Footprint(threads=20, descriptors=12, memory_mb=400.0)


def run(minutes=10, streams=1, age_ms=lambda t: 30.0, drop_every=(0,), grow=lambda t: {}, dies_s=None):
    """Rows and windows of a run at 30 frames/s; ``drop_every`` n: stream k loses every n-th picture; ``dies_s``: the
    last stream publishes nothing from then on."""
    windows = [Window(f"cam{number}") for number in range(streams)]
    rows = []
    for number in range(round(minutes * 60 * 30)):
        time_s = number / 30
        for window, every in zip(windows, drop_every, strict=True):
            dead = window is windows[-1] and dies_s is not None and time_s >= dies_s
            if not dead and (not every or number % every):
                window.add(number, age_ms(time_s), 1, 0)
        if number % 300 == 299:
            footprint = replace(FOOTPRINT, **grow(time_s))
            rows += [window.row(time_s, footprint, 1.0, 2.0) for window in windows]
    return rows, windows


def test_a_good_run_passes():
    verdict = judge(*run(), age_limit_ms=80)
    assert verdict.failures == []
    assert verdict.line().startswith("10.0 min, 1 stream: age p50 30 p99 30 ms (limit 80), 1.00 bodies a frame")
    assert verdict.line().endswith("dropped 0.0 %: PASSED")


@pytest.mark.parametrize(
    ("word", "how"),
    [
        ("age p99", {"age_ms": lambda t: 200.0 if t % 5 < 0.2 else 30.0}),
        ("median age grew", {"age_ms": lambda t: 20.0 + 0.05 * t}),
        ("memory grew", {"grow": lambda t: {"memory_mb": 400 + 0.1 * t}}),
        ("descriptors more", {"grow": lambda t: {"descriptors": 12 + int(t / 60)}}),
        ("threads more", {"grow": lambda t: {"threads": 20 + int(t / 60)}}),
        ("unfair", {"streams": 2, "drop_every": (0, 4)}),
        ("cam1 published nothing for 300 s", {"streams": 2, "drop_every": (0, 0), "dies_s": 300}),
    ],
)
def test_each_trouble_is_found_alone(word, how):
    failures = judge(*run(**how), age_limit_ms=80).failures
    assert len(failures) == 1 and word in failures[0], failures


@pytest.mark.parametrize(
    ("shares", "fair"), [((0.361, 0.360), True), ((0.0, 0.09), True), ((0.0, 0.11), False), ((0.90, 0.95), False)]
)
def test_fair_is_within_a_tenth_of_what_the_best_stream_gets(shares, fair):
    verdict = replace(judge(*run(), age_limit_ms=80), dropped=dict(zip("ab", shares, strict=True)))
    assert ("drops are unfair" not in verdict.failures) == fair


def test_drops_are_gaps_in_the_numbers_of_pictures_and_not_lost_messages():
    window = Window("a")
    for index, lost in ((5, 0), (6, 0), (9, 0), (13, 2)):
        window.add(index, 10.0, 1, lost)
    row = window.row(10.0, FOOTPRINT, 0.0, 0.0)
    assert (row.frames, row.dropped) == (4, 2 + 1)
    assert row.dropped_percent == pytest.approx(300 / 7)
    window.add(14, 10.0, 1, 0)
    assert window.row(20.0, FOOTPRINT, 0.0, 0.0).dropped == 0, "the next window goes on where this one ended"


def test_a_stream_that_died_fails_and_silence_is_an_error():
    rows, windows = run(streams=2, drop_every=(0, 1))
    assert any("cam1" in failure for failure in judge(rows, windows, 80).failures)
    with pytest.raises(ValueError, match="not one frame"):
        judge([replace_frames(row) for row in rows], windows, 80)


def replace_frames(row: Row) -> Row:
    return replace(row, frames=0)
