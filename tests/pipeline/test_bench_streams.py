"""The curve over cameras: what it concludes, and one point of it measured on the program itself."""

import argparse
import re
from dataclasses import replace

import pytest

from pipeline.bench_streams import StreamsRun, curve, measure_streams, stream_counts
from pipeline.sinks.publisher import Publisher

RUN = StreamsRun(
    streams=1,
    fps=30.0,
    target_fps=30.0,
    people_per_s=60.0,
    ready_to_sent_p50_ms=11.0,
    ready_to_sent_p99_ms=18.0,
    busy=0.3,
    frames_per_call=1.0,
    cpu_ms_per_frame=30.0,
    stage_ms={"trunk": 8.0},
)


def test_the_curve_says_what_each_stream_costs_and_how_many_are_kept_up_with():
    runs = [
        RUN,
        replace(RUN, streams=2, cpu_ms_per_frame=25.0, fps=29.5),
        replace(RUN, streams=4, cpu_ms_per_frame=20.0, fps=28.0),
    ]
    text = curve(runs)
    costs = re.findall(r"([\d.]+) +([\d.]+)$", text, re.MULTILINE)
    assert costs == [("30.0", "1.00"), ("20.0", "0.67"), ("15.0", "0.50")], "50 - 30 ms; (80 - 50) / 2 ms"
    assert "stages with 4 streams, mean ms (networks: per call): trunk 8.00" in text
    assert "kept up with at 30 frames per second: 2 streams" in text and "or more" not in text
    assert "2 streams or more" in curve(runs[:2])
    assert "0 streams" in curve([replace(RUN, fps=3.0)])


@pytest.mark.parametrize(("text", "counts"), [("1", [1]), ("3", [1, 2, 3]), ("1,2,4,8", [1, 2, 4, 8]), ("2,6", [2, 6])])
def test_numbers_of_streams(text, counts):
    assert stream_counts(text) == counts


@pytest.mark.parametrize("text", ["", "0", "-1", "2,1", "2,2", "1,,2", "1,x"])
def test_no_numbers_of_streams(text):
    with pytest.raises(argparse.ArgumentTypeError, match="rising list"):
        stream_counts(text)


def test_two_cameras_through_the_whole_program(monkeypatch):
    """On a busy machine the figures say little, but they must fit together."""
    write = Publisher.write
    run = measure_streams("test:seconds=0.4,fps=30,size=160x120", 2, ["--runtime", "openvino", "--threads", "1"])
    assert Publisher.write is write
    assert 0 < run.ready_to_sent_p50_ms <= run.ready_to_sent_p99_ms
    assert 0 < run.fps <= 60 and 0 < run.busy <= 1.01 and 1 <= run.frames_per_call <= 2
    assert 0 < run.cpu_ms_per_frame < 5000


def test_a_run_that_fails_is_no_figure():
    with pytest.raises(RuntimeError, match="exit code 3"):
        measure_streams("missing.mp4", 1, [])
