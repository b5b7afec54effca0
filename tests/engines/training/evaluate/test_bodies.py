"""Kinds of poses by their rotations, and tables of figures."""

import json

import numpy as np

from engines.body import load_body
from engines.body.rotations import rotation_vectors
from engines.keypoints import JOINT_NAMES
from engines.training.evaluate.bodies import pose_kinds
from engines.training.evaluate.figure import Figure, json_rows, markdown_table, text_table
from engines.training.evaluate.sheets import WorstCase, write_sheet


def turned(about_y: float, lean: float = 0.0) -> np.ndarray:
    """Root rotation (3,) of somebody upright in the camera frame who then turns and leans."""
    upright = np.diag([1.0, -1.0, -1.0])
    c, s = np.cos(about_y), np.sin(about_y)
    a, b = np.cos(lean), np.sin(lean)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    tilt = np.array([[1, 0, 0], [0, a, -b], [0, b, a]])
    return rotation_vectors((tilt @ upright @ turn)[None])[0]


def kinds_of(**joints) -> set[str]:
    pose = np.zeros((1, 24, 3), np.float32)
    for name, vector in joints.items():
        pose[0, JOINT_NAMES.index(name)] = vector
    return {kind for kind, chosen in pose_kinds(pose).items() if chosen[0]}


def test_facing_and_lean_follow_the_pelvis():
    level = {"an arm level or raised"}  # the T-pose
    assert kinds_of(pelvis=turned(0)) == {"from the front"} | level
    assert kinds_of(pelvis=turned(np.pi / 2)) == {"from the side"} | level
    assert kinds_of(pelvis=turned(np.pi)) == {"from behind"} | level
    assert kinds_of(pelvis=turned(0, 1.4)) == {"lying or bent over"}


def test_arms_and_legs_are_seen_in_the_joints():
    down = {"left_shoulder": (0, 0, -1.2), "right_shoulder": (0, 0, 1.2)}
    assert kinds_of(pelvis=turned(0), **down) == {"from the front"}
    sitting = {"left_hip": (-1.5, 0, 0), "right_hip": (-1.5, 0, 0)}
    assert "sitting or crouching" in kinds_of(pelvis=turned(0), **down, **sitting)
    body = load_body()
    pose = np.zeros((1, 24, 3), np.float32)
    for name, vector in (down | sitting).items():
        pose[0, JOINT_NAMES.index(name)] = vector
    joints = body.joints(pose, np.zeros((1, 10), np.float32), np.zeros((1, 3), np.float32))[0]
    at = {name: joints[i] for i, name in enumerate(JOINT_NAMES)}
    assert at["left_knee"][2] > at["left_hip"][2] + 0.3, "the thighs point forward"
    assert at["left_wrist"][1] < at["left_shoulder"][1] - 0.3, "the arms hang down"


FIGURES = [
    Figure("a", "x", 0.5, "%", 0.25, "theirs"),
    Figure("a", "y", float("nan"), "mm"),
    Figure("b", "z", 120.4, "mm"),
]


def test_tables_name_a_section_once_and_hide_nothing():
    text = text_table(FIGURES).splitlines()
    assert text[0].split() == ["a", "x", "50.0", "%", "25.0", "%", "theirs"]
    assert text[1].split() == ["y", "-"] and text[2].split() == ["b", "z", "120.4", "mm"]
    assert markdown_table(FIGURES).count("\n") == 5
    again = json.loads(json.dumps(json_rows(FIGURES), allow_nan=False))
    assert again[0]["beside"] == 0.25 and again[1]["value"] is None and "beside" not in again[2]


def test_sheets_draw_what_was_found_over_what_is_true(tmp_path):
    import cv2

    black = np.zeros((100, 100, 3), np.uint8)
    points = np.column_stack([np.linspace(10, 90, 17), np.linspace(10, 90, 17)[::-1], np.ones(17)])
    absent = points * (1, 1, 0)
    write_sheet(tmp_path / "s.png", [WorstCase(black, points, absent, ""), WorstCase(black, absent, points, "")])
    picture = cv2.imread(str(tmp_path / "s.png"))
    found, true = picture[:, :288], picture[:, 288:576]
    assert found[..., 2].max() == 255 and found[..., 0].max() < 40, "orange alone"
    assert (true.max(-1) == true.min(-1)).all() and true.max() == 255, "white alone"
    write_sheet(tmp_path / "none.png", [])
    assert not (tmp_path / "none.png").exists()
