"""Pseudo ground truth: kept where points and mask agree, refused where one of them lies."""

from dataclasses import replace

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.fitting.attached_points import FREE_JOINTS, Figures
from engines.fitting.objective import Objective
from engines.fitting.pose_prior import PosePrior
from engines.fitting.staged_fit import StagedFit
from engines.keypoints import COCO_NAMES, JOINT_NAMES
from engines.methods.bilayer import open_lifter
from engines.training.fits import PHOTO_PX, draw_sheet, fit_people
from engines.training.photos.person_crops import MASK_SIZE_PX, STORED_SIZE_PX, PersonCrops
from kernels.raster import raster
from tests.engines.fitting.people import draw_people

COUNT = 4


@pytest.fixture(scope="module")
def fitted():
    """Four people: in order, one whose mask is another's, one without a mask, one whose wrist was clicked wrongly."""
    body = load_body()
    objective = Objective(body)
    focal = Intrinsics.from_fov(PHOTO_PX, PHOTO_PX).fx
    people = draw_people(COUNT, seed=21)
    figures = Figures.of(people.pose, people.betas, people.place + np.array([0.0, 0.25, 1.0]))
    camera = Intrinsics(fx=focal, fy=focal, cx=STORED_SIZE_PX / 2, cy=STORED_SIZE_PX / 2)
    shown = camera.project(objective.points.places(figures, objective.skeleton.pose(figures)))[:, :17]
    points = np.concatenate((shown, np.ones((COUNT, 17, 1))), -1).astype(np.float32)
    zoom = MASK_SIZE_PX / STORED_SIZE_PX
    vertices = body.forward(people.pose, people.betas, figures.translation, level=1).vertices
    view = np.tile(np.array([focal, focal, camera.cx, camera.cy], np.float32) * zoom, (COUNT, 1)).astype(np.float32)
    masks = raster(vertices, body.faces[1], view, (MASK_SIZE_PX, MASK_SIZE_PX)).silhouette
    masks[1] = np.roll(masks[1], 30, axis=1)
    masks[2] = 255
    points[3, COCO_NAMES.index("left_wrist"), :2] += 90
    points[0, COCO_NAMES.index("left_ankle"), 2] = 0
    low, high = shown.min(1), shown.max(1)
    crops = PersonCrops(
        images=np.full((COUNT, STORED_SIZE_PX, STORED_SIZE_PX, 3), 90, np.uint8), points=points,
        box_px=(high - low).astype(np.float32), masks=masks, human=np.ones(COUNT, bool),
        scale=np.ones(COUNT, np.float32),
    )  # fmt: skip
    lifter = open_lifter(body, runtime="openvino", precision="f32", preset="small", threads=1, consistent=False)
    fits = fit_people(crops, np.arange(COUNT), body, lifter, StagedFit(body, objective), PosePrior.load())
    return body, crops, fits


def test_kept_where_points_and_mask_agree(fitted):
    *_, fits = fitted
    np.testing.assert_array_equal(fits.kept, [True, False, True, False])
    assert np.isnan(fits.iou[2]) and fits.iou[0] > 0.8 > fits.iou[1]
    assert fits.worst[3] > fits.error[3] and fits.error[[0, 1, 2]].max() < 0.02


def test_no_mask_no_excuse(fitted):
    *_, fits = fitted
    assert not replace(fits, pose_energy=fits.pose_energy + 100).kept.any()


def test_rotations_that_no_point_speaks_for_are_named(fitted):
    *_, fits = fitted
    ankle, knee = (FREE_JOINTS.index(JOINT_NAMES.index(name)) for name in ("left_ankle", "left_knee"))
    assert not fits.spoken_for[0, knee] and fits.spoken_for[1, knee]
    assert not fits.spoken_for[:, ankle].any()
    assert fits.spoken_for[:, 0].all()


def test_sheet_frames_them_green_and_red(fitted):
    body, crops, fits = fitted
    sheet = draw_sheet(crops, fits, body, columns=4)
    corners = sheet[[0, 0, STORED_SIZE_PX // 2, STORED_SIZE_PX // 2], [0, STORED_SIZE_PX, 0, STORED_SIZE_PX]]
    np.testing.assert_array_equal(corners[:, 1] > corners[:, 0], fits.kept)
