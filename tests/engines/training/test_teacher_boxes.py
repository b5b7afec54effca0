"""A teacher's boxes among the labels of a photograph."""

import numpy as np
import pytest

from engines.training.locator_batches import Photo
from engines.training.teacher_boxes import TeacherBoxes, with_teacher

IMAGE = np.zeros((200, 300, 3), np.uint8)
LABELLED, UNLABELLED, STRANGER = (10, 10, 60, 150), (100, 20, 150, 160), (220, 50, 240, 110)


def boxes(*rows) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, len(rows[0]) if rows else 4)


PHOTO = Photo(IMAGE, boxes(LABELLED), boxes(UNLABELLED))


def test_whom_the_teacher_is_sure_of_is_labelled_and_whom_it_doubts_is_not_counted():
    seen = boxes((*UNLABELLED, 0.8), (*STRANGER, 0.3))
    photo = with_teacher(PHOTO, seen)
    assert photo.boxes.tolist() == boxes(LABELLED, UNLABELLED).tolist()
    assert photo.ignore.tolist() == boxes(STRANGER).tolist()


def test_labels_of_people_win_over_the_teacher():
    upper_half = (12, 12, 58, 80)
    photo = with_teacher(PHOTO, boxes((12, 14, 62, 148, 0.9), (*upper_half, 0.9)))
    assert photo.boxes.tolist() == PHOTO.boxes.tolist() and photo.ignore.tolist() == PHOTO.ignore.tolist()


def test_nothing_seen_changes_nothing():
    photo = with_teacher(PHOTO, np.zeros((0, 5), np.float32))
    assert photo.boxes.tolist() == PHOTO.boxes.tolist() and photo.ignore.tolist() == PHOTO.ignore.tolist()


def test_boxes_go_to_their_own_photograph_and_not_to_pictures_without_people(tmp_path):
    nobody = Photo(IMAGE, np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32))
    found = TeacherBoxes(np.array([1, 0, 1]), boxes((*STRANGER, 0.9), (*STRANGER, 0.9)))
    found.save(tmp_path / "boxes.npz")
    first, second, third = TeacherBoxes.cached(tmp_path / "boxes.npz", [PHOTO] * 3, tmp_path).added_to(
        [PHOTO, PHOTO, nobody]
    )
    assert [len(photo.boxes) for photo in (first, second, third)] == [2, 1, 0]
    with pytest.raises(ValueError, match="3 photographs, not 2"):
        TeacherBoxes.cached(tmp_path / "boxes.npz", [PHOTO] * 2, tmp_path)
