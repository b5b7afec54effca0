"""Exports read back: the CSV with the csv module, the npz posed by the body model in its own world."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from pipeline.log import LogError, read_log
from pipeline.log_export import columns, export_log
from pipeline.log_format import skeleton_record
from pipeline.sinks.recorder import Recorder
from tests.pipeline.bodies import picture_result, standing

CAMERA = Intrinsics.from_fov(640, 360)


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def log(body, tmp_path_factory):
    """Two people who raise their arms; the second is missing in frames 2 and 3; nobody in the last frame."""
    path = tmp_path_factory.mktemp("log") / "run.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model=body.identity, method="bilayer", weights={}))
    for index in range(6):
        first = standing(body, CAMERA, x=-0.5, track_id=1, arms=0.2 * index)
        second = standing(body, CAMERA, x=0.8, z=4, track_id=4)
        people = () if index == 5 else (first,) if index in (2, 3) else (first, second)
        recorder.write(picture_result(people, CAMERA, (640, 360), index=index, pts_s=index / 25))
    recorder.close()
    return read_log(path)


def test_csv_has_one_row_per_body_and_named_columns(log, tmp_path):
    (path,) = export_log(log, tmp_path / "run.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(r["frame"]), int(r["track_id"])) for r in rows] == [
        (0, 1), (0, 4), (1, 1), (1, 4), (2, 1), (3, 1), (4, 1), (4, 4),
    ]  # fmt: skip
    body = log.frames[1].bodies[1]
    assert [float(rows[3][f"left_wrist_{axis}_m"]) for axis in "xyz"] == body.joints_3d[20]
    assert [float(rows[3][f"pelvis_r{axis}_rad"]) for axis in "xyz"] == body.pose[0]
    assert [float(rows[3][f"point_nose_{part}"]) for part in ("x_px", "y_px", "confidence")] == body.keypoints_2d[0]
    assert [float(rows[3][f"translation_{axis}_m"]) for axis in "xyz"] == body.translation
    assert len(rows[3]) == len(set(columns(log)))


def test_npz_posed_in_its_world_gives_the_logged_joints_upright(log, body, tmp_path):
    paths = export_log(log, tmp_path / "run.npz")
    assert [p.name for p in paths] == ["run_cam_1.npz", "run_cam_4.npz"]
    with np.load(paths[0], allow_pickle=False) as track:
        assert float(track["mocap_framerate"]) == pytest.approx(25)
        assert track["poses"].shape == (5, 72) and track["trans"].shape == (5, 3) and track["betas"].shape == (10,)
        joints = body.joints(track["poses"].reshape(-1, 24, 3), track["betas"], track["trans"])
        np.testing.assert_allclose(joints, track["joints"], atol=1e-3)
        up = joints[:, 15, 1] - joints[:, 7, 1]
        assert (up > 1.2).all(), "the head is above the ankles: y is up"
        assert (track["trans"][:, 2] < -2).all(), "in front of the camera, which looks along -z"
        assert np.diff(joints[:, 20, 1]).min() > 0, "the arms rise"
    with np.load(paths[1], allow_pickle=False) as track:
        assert track["frame"].tolist() == [0, 1, 4]
        np.testing.assert_allclose(track["pts_s"], [0, 0.04, 0.16], atol=1e-6)


def test_parquet_equals_csv(log, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the parquet extra: pip install -e '.[parquet]'")
    (path,) = export_log(log, tmp_path / "run.parquet")
    table = parquet.read_table(path)
    assert table.column_names == columns(log) and table.num_rows == 8
    assert table["left_wrist_x_m"][3].as_py() == log.frames[1].bodies[1].joints_3d[20][0]


def test_unknown_suffix_and_unwritable_target_are_said(log, tmp_path):
    with pytest.raises(LogError, match=r"must be one of \.csv, \.parquet, \.npz"):
        export_log(log, tmp_path / "run.bvh")
    with pytest.raises(LogError, match="cannot write"):
        export_log(log, "/dev/null/run.csv")
