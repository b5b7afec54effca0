import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutputError
from pipeline.summary import LatencyHistogram, RunStats, write_summary


@given(st.lists(st.floats(0.02, 1e5), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_within_one_percent(values, q):
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    exact = np.quantile(values, q, method="inverted_cdf")
    assert histogram.quantile(q) == pytest.approx(exact, rel=0.011)


def test_memory_is_bounded():
    histogram = LatencyHistogram()
    for value in np.geomspace(1e-6, 1e7, 50_000):
        histogram.add(value)
    assert len(histogram._buckets) < 2_500


def test_a_run_without_frames_has_a_summary():
    summary = RunStats().as_dict(dropped={"s": 0})
    assert summary["latency_ms"] == {"p50": None, "p99": None} and summary["fps"] == 0 and summary["wall_s"] == 0
    json.dumps(summary, allow_nan=False)


def test_the_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "new" / "summary.json"
    write_summary(path, {"a": 1})
    write_summary(path, {"a": float("nan"), "b": np.float32(0.5), "c": np.arange(2), "d": path})
    assert json.loads(path.read_text()) == {"a": None, "b": 0.5, "c": [0, 1], "d": str(path)}
    assert os.listdir(path.parent) == ["summary.json"]
    with pytest.raises(OutputError, match="choose another path"):
        write_summary("/dev/null/summary.json", {})
