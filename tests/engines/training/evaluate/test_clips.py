"""The comparison on logs of bodies whose projection is the teacher."""

import numpy as np
import pytest
from mcap.writer import Writer

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.training.evaluate.clips import compare, failures, main, table, worst_frames
from engines.training.evaluate.pose_log import read_pose_log
from engines.training.evaluate.teacher_labels import TeacherLabels
from pipeline.log_format import skeleton_record
from pipeline.sinks.recorder import Recorder
from pipeline.types import Frame, FrameResult, TrackedBody

FRAMES = 6


@pytest.fixture(scope="module")
def model():
    return load_body()


@pytest.fixture
def log_and_truth(model, tmp_path):
    """A person walks sideways through six frames: the log, and the image points of the mesh (6, 17, 2)."""
    camera = Intrinsics.from_fov(640, 480)
    pose = np.zeros((24, 3), np.float32)
    pose[0] = (np.pi, 0, 0)
    path = tmp_path / "clip.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model="test", method="none", weights={}))
    truth = []
    for index in range(FRAMES):
        translation = np.array([0.05 * index, 0, 4], np.float32)
        posed = model.forward(pose[None], np.zeros((1, 10), np.float32), translation[None])
        coco = camera.project(model.coco(posed.vertices)[0])
        truth.append(coco)
        points = np.full((41, 3), 0.9, np.float32)
        points[:17, :2] = coco
        estimate = BodyEstimate(
            pose=pose,
            betas=np.zeros(10, np.float32),
            translation=translation,
            joints=posed.joints[0],
            points_px=points,
            score=0.9,
            quality=float("nan"),
        )
        frame = Frame(
            stream="clip",
            index=index,
            image=np.zeros((480, 640, 3), np.uint8),
            capture_ns=index,
            pts_s=index / 30,
            intrinsics=camera,
        )
        bodies = (TrackedBody(track_id=1, box_xyxy=np.float32([0, 0, 9, 9]), estimate=estimate),) if index else ()
        recorder.write(FrameResult(frame=frame, bodies=bodies))
    recorder.close()
    return path, np.array(truth)


def labels_of(points: np.ndarray) -> TeacherLabels:
    keypoints = np.concatenate([points, np.full((*points.shape[:2], 1), 0.8)], -1).astype(np.float32)
    return TeacherLabels(
        frames=len(points), frame=np.arange(len(points), dtype=np.int32), box=np.zeros((len(points), 5)),
        keypoints=keypoints,
    )  # fmt: skip


def test_a_perfect_log_scores_full_and_the_empty_frame_counts(log_and_truth, model):
    path, truth = log_and_truth
    row, matches, errors = compare(read_pose_log(path), labels_of(truth), model)
    assert (row["teacher_frames"], row["frames_processed"]) == (FRAMES, FRAMES)
    assert row["frames_with_body"] == row["people_found"] == pytest.approx(5 / 6)
    assert row["keypoints_within"] == row["landmarks_within"] == 1
    assert row["landmarks_within_strict"] == pytest.approx(5 / 6)
    assert errors.max() < 0.01 and len(matches.pairs) == 5
    assert row["jitter"] == pytest.approx(row["teacher_jitter"], abs=1e-3)
    assert failures({"clip": row}) == ["clip: a body in 83.3% of the frames, target 90%"]
    assert "83.3%" in table({"clip": row})
    assert "6 of 7 frames" in failures({"clip": row | {"clip_frames": 7}})[0]


def test_shifted_keypoints_fail_and_the_worst_frame_is_named(log_and_truth, model):
    path, truth = log_and_truth
    moved = truth.copy()
    moved[3] += (0.5 * np.linalg.norm(truth[3, 5] - truth[3, 11]), 0)
    row, matches, errors = compare(read_pose_log(path), labels_of(moved), model)
    assert row["landmarks_within"] == pytest.approx(4 / 5)
    assert worst_frames(matches, errors, 1)[0][0] == 3
    assert row["teacher_jitter"] > 10 * row["jitter"]


def test_a_log_of_another_program_is_refused(tmp_path):
    with (tmp_path / "other.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        writer.finish()
    with pytest.raises(ValueError, match="skeleton"):
        read_pose_log(tmp_path / "other.mcap")


def test_labels_survive_the_file(tmp_path):
    labels = labels_of(np.random.default_rng(0).random((4, 17, 2)))
    labels.save(tmp_path / "a" / "labels.npz")
    again = TeacherLabels.load(tmp_path / "a" / "labels.npz")
    assert again.frames == 4
    np.testing.assert_array_equal(again.people(2), labels.keypoints[2:3])


def test_a_folder_without_videos_is_a_usage_error(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["--clips", str(tmp_path), "--teachers", str(tmp_path)])
    assert error.value.code == 2 and "no video" in capsys.readouterr().err
