"""The GPU report, run dry: every kernel at a tiny size on the CPU, one network, and what a failing part leaves."""

import json
import shutil

import pytest

from kernels.source import source_names
from pipeline import bench_gpu

PARTS = ("kernel tests", "kernel speed", "device path", "numerics", "whole program", "engines")


def left_out(*wanted):
    return [word for part in PARTS if part not in wanted for word in ("--skip", part)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_dry_run_writes_figures_of_every_kernel(tmp_path):
    code = bench_gpu.main(["--dry-run", "--out", str(tmp_path), *left_out("kernel speed", "engines")])
    parts = {part["name"]: part for part in json.loads((tmp_path / "gpu.json").read_text())}
    assert code == 0 and not any(part["error"] for part in parts.values())
    named = {row["name"] for row in parts["kernel speed"]["rows"]}
    assert named | {"lift"} >= set(source_names())
    assert {"body_transforms", "decode_volumes", "voxel_perspective", "lift_prepare", "lift_finish"} <= named
    assert all(row["megabytes"] > 0 and row["share_of_floor"] > 0 for row in parts["kernel speed"]["rows"])
    # The reference against itself.
    assert [row["relative_difference"] for row in parts["engines"]["rows"]] == [0.0]
    assert all(row["gigaflop"] > 0 and row["share_of_floor"] > 0 for row in parts["engines"]["rows"])
    page = (tmp_path / "gpu.md").read_text()
    assert "| voxelize |" in page and "dry run" in page


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_dry_run_sends_a_person_through_the_device_path(tmp_path):
    code = bench_gpu.main(["--dry-run", "--out", str(tmp_path), *left_out("device path", "numerics")])
    path, numerics = json.loads((tmp_path / "gpu.json").read_text())
    assert code == 0 and not path["error"] and not numerics["error"]
    assert [row["mirror"] for row in path["rows"]] == [False, True]
    assert all(0 < row["p50_ms"] <= row["p99_ms"] and row["people_per_s"] > 0 for row in path["rows"])
    exact, int8 = numerics["rows"]
    assert exact["mm_from_f32"] == 0 < int8["mm_from_f32"]


def test_a_part_that_fails_is_reported_and_the_others_still_run(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_gpu, "ROOT", tmp_path)  # no tests and no networks there
    parts = {
        part.name: part
        for part in bench_gpu.measure(True, tmp_path, skip=["kernel speed", "device path", "numerics", "whole program"])
    }
    assert parts["kernel tests"].error and not parts["engines"].error
    assert "failed: " in bench_gpu.markdown(list(parts.values()), True)
