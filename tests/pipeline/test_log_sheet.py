"""The sheet of a log shows the frames asked for, and nothing where nobody is."""

import cv2
import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from pipeline.log_format import skeleton_record
from pipeline.log_sheet import TILE_PX, main
from pipeline.sinks.recorder import Recorder
from pipeline.types import Frame, FrameResult, TrackedBody


@pytest.fixture
def log(tmp_path):
    """Frame 0: nobody; frames 1 to 3: a person in the T-pose."""
    model = load_body()
    pose = np.zeros((24, 3), np.float32)
    pose[0] = (np.pi, 0, 0)
    estimate = BodyEstimate(
        pose=pose,
        betas=np.zeros(10, np.float32),
        translation=np.array([0, 0, 3], np.float32),
        joints=model.joints(pose, np.zeros(10), np.array([0, 0, 3]))[0],
        points_px=np.zeros((41, 3), np.float32),
        score=1.0,
        quality=float("nan"),
    )
    body = TrackedBody(track_id=1, box_xyxy=np.zeros(4, np.float32), estimate=estimate)
    path = tmp_path / "poses.mcap"
    recorder = Recorder(path, metadata=skeleton_record(body_model=model.identity, method="none", weights={}))
    for index in range(4):
        frame = Frame(
            stream="clip",
            index=index,
            image=np.zeros((48, 64, 3), np.uint8),
            capture_ns=index,
            pts_s=index / 30,
            intrinsics=Intrinsics.from_fov(64, 48),
        )
        recorder.write(FrameResult(frame=frame, bodies=(body,) if index else ()))
    recorder.close()
    return path


def test_each_frame_has_two_views(log, tmp_path):
    out = tmp_path / "new" / "sheet.png"
    assert main(["--out", str(out), f"{log}:0", f"{log}:2"]) == 0
    picture = cv2.imread(str(out))
    assert picture.shape == (TILE_PX, 4 * TILE_PX, 3)
    views = [picture[: TILE_PX - 30, i * TILE_PX : (i + 1) * TILE_PX - 4] for i in range(4)]
    drawn = [float((np.abs(view.astype(int) - view[0, 0]).max(-1) > 20).mean()) for view in views]
    assert drawn[0] == drawn[1] == 0  # nobody
    assert drawn[2] > 0.05  # arms out, seen from the front: wider than from the side
    assert drawn[2] > drawn[3] > 0.01


def test_six_frames_fill_two_rows(log, tmp_path):
    assert main(["--out", str(tmp_path / "sheet.png"), *[f"{log}:1"] * 6]) == 0
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * TILE_PX, 10 * TILE_PX, 3)


@pytest.mark.parametrize(
    ("frame", "code", "reason"), [(":9", 2, "no frame 9"), ("", 2, "names no frame"), (".no:1", 1, "cannot open")]
)
def test_what_is_not_there_is_said(log, tmp_path, capsys, frame, code, reason):
    with pytest.raises(SystemExit) as error:
        main(["--out", str(tmp_path / "sheet.png"), f"{log}{frame}"])
    assert error.value.code == code and reason in capsys.readouterr().err
