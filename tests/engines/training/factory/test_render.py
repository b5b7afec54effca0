"""The renderer puts pixels where the camera projects points: our own body over nothing, and a scene's labels."""

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.keypoints import NUM_COCO, PART_NAMES, PART_OF_JOINT
from engines.training.factory.cropview import CropView
from engines.training.factory.framing import camera_rotation, yaw_rotation
from engines.training.factory.occluders import draw_occluder
from engines.training.factory.poses import turned
from engines.training.factory.renderer import OCCLUDER_ID, Lighting
from engines.training.factory.scene import Figure, compose, finish
from engines.training.factory.shards import CROP_PX
from tests.engines.training.factory.bare_body import bare_body

LIGHT = Lighting(direction=np.array([0, 0, -1.0]), light=(0.6,) * 3, ambient=(0.4,) * 3, up=np.array([0, -1.0, 0]))
VIEW = CropView(
    source=Intrinsics(fx=1000, fy=1000, cx=640, cy=360), source_size=(1280, 720), centre=(300, 400), side=700
)


def body_drawing(figure, translation, person=1):
    return bare_body(figure.skinning(translation), person)


def figure_at(yaw=0.3):
    body = load_body()
    pose = np.zeros((24, 3), np.float32)
    pose[0] = turned(pose[0], camera_rotation(0.1, 0.05) @ yaw_rotation(yaw))
    pose[16, 2], pose[17, 2] = -0.9, 0.5
    posed = body.forward(pose, np.zeros(10), np.zeros(3))
    return Figure(
        pose=pose,
        betas=np.zeros(10, np.float32),
        joints=posed.joints[0],
        landmarks=body.coco(posed.vertices)[0],
        transforms=posed.transforms[0],
    )


def test_silhouette_depth_and_parts_agree_with_projection(renderer):
    figure, translation = figure_at(), np.array([-1.0, 0, 3.0], np.float32)
    drawing = body_drawing(figure, translation)
    out = renderer.render([drawing], VIEW.intrinsics, LIGHT)
    vertices = drawing.corners[:, :3]
    pixels = VIEW.intrinsics.project(vertices) * 2  # the buffer is supersampled
    rows, columns = np.nonzero(out.person == 1)
    # Bounding box of the projected vertices, to a pixel of the buffer.
    np.testing.assert_allclose(pixels.min(axis=0), (columns.min(), rows.min()), atol=1.5)
    np.testing.assert_allclose(pixels.max(axis=0), (columns.max() + 1, rows.max() + 1), atol=1.5)
    # Interior limb joints lie inside their own part, a few cm behind the skin.
    for joint in (4, 5, 16, 18, 19):
        x, y = (VIEW.intrinsics.project(figure.joints[joint] + translation) * 2).astype(int)
        behind = (figure.joints[joint] + translation)[2] - out.depth[y, x]
        assert 0.01 < behind < 0.15, joint
    wrist = VIEW.intrinsics.project((figure.joints[18] + figure.joints[20]) / 2 + translation) * 2
    assert out.part[int(wrist[1]), int(wrist[0])] == PART_OF_JOINT[18] == PART_NAMES.index("left_forearm")
    assert (out.depth > 0).sum() == (out.person > 0).sum()


def test_nearer_person_and_box_hide_the_target(renderer):
    figure, translation = figure_at(), np.array([-1.0, 0, 3.0], np.float32)
    points = figure.points + translation
    front = body_drawing(figure, translation * np.float32(0.75), person=2)  # the same ray, 0.75 m nearer
    out = renderer.render([body_drawing(figure, translation), front], VIEW.intrinsics, LIGHT)
    backdrop = np.full((CROP_PX, CROP_PX, 3), 90, np.uint8)
    sample = finish(compose(out.rgba, backdrop), out, figure, translation, VIEW)
    hidden = sample.points[NUM_COCO : NUM_COCO + 4, 2]
    assert (hidden == 0.5).all()
    assert (sample.others > 0).sum() > (sample.parts > 0).sum()
    assert not ((sample.others > 0) & (sample.parts > 0)).any()

    box = draw_occluder(points, np.full((8, 8, 3), 200, np.uint8), np.random.default_rng(0))
    out = renderer.render([body_drawing(figure, translation), box], VIEW.intrinsics, LIGHT)
    assert (out.person == OCCLUDER_ID).any()


def test_labels_of_a_finished_sample(renderer):
    figure, translation = figure_at(), np.array([-1.6, 0, 3.0], np.float32)  # leaves the picture on its left
    out = renderer.render([body_drawing(figure, translation)], VIEW.intrinsics, LIGHT)
    backdrop = np.full((CROP_PX, CROP_PX, 3), 90, np.uint8)
    view = CropView(source=VIEW.source, source_size=VIEW.source_size, centre=(100, 330), side=640)
    out = renderer.render([body_drawing(figure, translation)], view.intrinsics, LIGHT)
    sample = finish(compose(out.rgba, backdrop), out, figure, translation, view)
    border = int(np.ceil(view.in_source()[0]))
    assert border > 20
    assert (sample.image[:, : border - 1] == 0).all()
    assert (sample.parts[:, : border // 2 - 1] == 0).all()
    assert (sample.image[:8, border + 2 :] == 90).all(), "the backdrop shows beside the person"
    # From the labels alone: source intrinsics and back-projected joints.
    width, _, cx, _, side = sample.crop_in_source
    fx_source = sample.K[0] * side / CROP_PX
    assert fx_source == pytest.approx(1000, rel=1e-5)
    assert sample.K[2] * side / CROP_PX + cx - side / 2 == pytest.approx(width / 2, rel=1e-5)
    projected = sample.joints_cam[:, :2] / sample.joints_cam[:, 2:] * sample.K[:2] + sample.K[2:]
    np.testing.assert_allclose(projected, sample.points[NUM_COCO:, :2], atol=1e-2)
    recomputed = load_body().joints(sample.pose, sample.betas, sample.translation)[0]
    np.testing.assert_allclose(recomputed, sample.joints_cam, atol=1e-5)
    inside = sample.points[sample.points[:, 2] > 0, :2]
    np.testing.assert_allclose(sample.box, [*inside.min(axis=0), *inside.max(axis=0)], atol=1e-3)
