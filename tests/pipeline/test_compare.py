"""`bodystream compare`: the same people for all methods, figures that can be checked by hand, and a whole run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from engines.body import load_body
from engines.camera import Intrinsics
from engines.estimate import BodyEstimate
from engines.methods import METHODS, CropRequest
from pipeline import compare_methods
from pipeline.cli import main
from pipeline.compare_figures import MethodMeter, points_within, true_jitter
from pipeline.compare_gallery import QUARRELS, SPREAD, Gallery, disagreement_mm
from pipeline.compare_methods import MethodFrame, SideBySide, open_methods
from pipeline.compare_pictures import columns_for, sheet, with_side_views
from pipeline.compare_report import Comparison, text_table, write_report
from pipeline.config import RunConfig
from pipeline.errors import BodystreamError, UsageError
from pipeline.truth import TrueBody
from pipeline.types import Frame, TrackedBody

BODY = load_body()
CAMERA = Intrinsics.from_fov(320, 240)
UPRIGHT = np.zeros((24, 3), np.float32)
UPRIGHT[0, 0] = np.pi


def body_at(x: float, *, bend: float = 0.0, track: int = 1, iou: float = 0.8) -> TrackedBody:
    """A T-pose 4 m away whose image points are its own."""
    pose = UPRIGHT.copy()
    pose[18, 1] = bend
    place = np.array([x, 0.0, 4.0], np.float32)
    posed = BODY.forward(pose, np.zeros(10, np.float32), place)
    points = np.concatenate([BODY.coco(posed.vertices)[0], posed.joints[0]])
    seen = np.concatenate([CAMERA.project(points), np.ones((41, 1))], 1).astype(np.float32)
    estimate = BodyEstimate(
        pose=pose, betas=np.zeros(10, np.float32), translation=place, joints=posed.joints[0], points_px=seen, score=0.9,
        quality=0.5, silhouette_iou=iou,
    )  # fmt: skip
    return TrackedBody(track_id=track, box_xyxy=np.array([0, 0, 9, 9], np.float32), estimate=estimate)


def frame(index: int) -> Frame:
    image = np.zeros((240, 320, 3), np.uint8)
    return Frame(stream="s", index=index, image=image, capture_ns=0, pts_s=index / 10, intrinsics=CAMERA)


def meter_of(bodies: list[tuple[TrackedBody, ...]], truths: list[list[TrueBody]] | None = None):
    meter = MethodMeter(BODY, fps=10.0)
    for index, one in enumerate(bodies):
        meter.add(frame(index), MethodFrame(raw=one, bodies=one), None if truths is None else truths[index])
    return meter.figures(3.0, 1.0)


def test_a_still_body_that_lies_on_its_points_is_perfect():
    still = body_at(0.2)
    e = still.estimate
    truth = TrueBody(pose=e.pose, betas=e.betas, translation=e.translation, joints=e.joints)
    found = meter_of([(still,)] * 5, [[truth]] * 5)
    assert found.bodies == 5 and found.keypoints_within == 1 and found.silhouette_iou == pytest.approx(0.8)
    assert found.jitter == 0 and found.jitter_raw == 0
    assert max(found.pa_mpjpe_mm, found.mpjpe_mm, found.pve_mm) < 0.01


def test_a_bent_elbow_is_measured_in_all_three_errors():
    e = body_at(0.0).estimate
    truth = TrueBody(pose=e.pose, betas=e.betas, translation=e.translation, joints=e.joints)
    bent = body_at(0.0, bend=1.0)
    found = meter_of([(bent,)], [[truth]])
    moved = 1000 * np.linalg.norm(bent.estimate.joints - e.joints, axis=1)
    assert found.mpjpe_mm == pytest.approx(moved.mean(), rel=1e-4)
    assert 0 < found.pa_mpjpe_mm < moved.max(), "alignment shares the elbow's error out among all joints"
    assert 0 < found.pve_mm < moved.max()
    assert np.isnan(found.jitter)


def test_jitter_is_that_of_the_joints_and_gaps_cut_it():
    wobble = [body_at(0.0, bend=0.3 * (index % 2)) for index in range(8)]
    assert meter_of([(b,) for b in wobble]).jitter > 10
    moved = [(body_at(0.05 * index),) for index in range(8)]
    assert meter_of(moved).jitter < 0.01, "the pelvis moves, the body does not"
    gaps = [(b,) if index % 4 else () for index, b in enumerate(wobble)]
    assert np.isnan(meter_of(gaps).jitter)


def test_true_jitter_is_that_of_the_drawn_motion():
    bodies = []
    for index in range(8):
        e = body_at(0.0, bend=0.3 * (index % 2)).estimate
        bodies.append([TrueBody(pose=e.pose, betas=e.betas, translation=e.translation, joints=e.joints)])
    wobble = [(body_at(0.0, bend=0.3 * (index % 2)),) for index in range(8)]
    assert true_jitter(bodies, 10.0) == pytest.approx(meter_of(wobble).jitter, rel=1e-5)
    assert np.isnan(true_jitter([], 10.0))


def test_points_within_counts_sure_limbs_alone():
    points = body_at(0.0).estimate.points_px
    own = points[:17, :2].copy()
    own[9] += 500
    assert points_within(points, own) == (11, 12)
    points[9, 2] = 0.1
    assert points_within(points, own) == (11, 11)
    points[[5, 6], 2] = 0
    assert points_within(points, own) == (0, 0)


class Told:
    """A method that answers what it is told."""

    def __init__(self, x: float, *, breaks_at: int | None = None) -> None:
        self.weights = {f"net-{x}.onnx": "00"}
        self.calls, self.closed = 0, False
        self._x, self._breaks_at = x, breaks_at

    def estimate(self, requests, spans_ms):
        self.calls += 1
        if self.calls == self._breaks_at:
            raise ValueError("no such body")
        spans_ms["trunk"] = 0.0
        return [body_at(self._x).estimate for _ in requests]

    def close(self):
        self.closed = True


def request(person) -> CropRequest:
    image = np.zeros((9, 9, 3), np.uint8)
    return CropRequest(image=image, center_px=np.zeros(2), side_px=9.0, intrinsics=CAMERA, person=person)


def test_a_method_that_breaks_is_reported_and_the_others_go_on():
    told = {"leader": Told(0.0), "weak": Told(0.5, breaks_at=2)}
    side = SideBySide(told)
    for _ in range(3):
        answer = side.estimate([request(("s", 1)), request(("s", 2))], {})
        assert [e.translation[0] for e in answer] == [0.0, 0.0]
    assert side.failed == {"weak": "ValueError: no such body"} and told["weak"].closed
    assert side.efforts["leader"].people == 6 and side.efforts["weak"].people == 2
    assert set(side.found) == {"leader"} and set(side.found["leader"]) == {("s", 1), ("s", 2)}
    side.close()
    assert told["leader"].closed


def test_the_leader_may_not_break():
    with pytest.raises(ValueError, match="no such body"):
        SideBySide({"leader": Told(0.0, breaks_at=1)}).estimate([request(("s", 1))], {})


def test_methods_that_cannot_run_are_left_out_unless_asked_for(monkeypatch):
    monkeypatch.setattr(compare_methods, "METHODS", {"far": "x", "bilayer": "y", "poor": "z"})

    def create(name, **options):
        if name == "poor":
            raise ValueError("its weights are missing")
        return Told(0.0)

    methods, left_out = open_methods(None, RunConfig(), BODY, create)
    assert list(methods) == ["bilayer", "far"] and left_out == {"poor": "its weights are missing"}
    with pytest.raises(BodystreamError, match="method poor cannot run: its weights are missing"):
        open_methods(["poor"], RunConfig(), BODY, create)
    with pytest.raises(UsageError, match="no method 'poo'; did you mean poor"):
        open_methods(["poo"], RunConfig(), BODY, create)


def test_pictures_show_every_method_in_its_colour():
    seen = {name: MethodFrame(raw=(body_at(x),), bodies=(body_at(x),)) for name, x in (("a", -0.5), ("b", 0.5))}
    names = ["a", "b", "gone"]
    picture = sheet(frame(3), seen, names, BODY)
    assert picture.shape == sheet(frame(4), {}, names, BODY).shape
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    left = [sheet(frame(3), {"a": seen[one]}, ["a"], BODY) for one in "ab"]
    assert not np.array_equal(*left)
    assert disagreement_mm(seen) == pytest.approx(0, abs=1e-3), "only their places differ"
    bent = {**seen, "b": MethodFrame(raw=(), bodies=(body_at(0.5, bend=1.0),))}
    assert disagreement_mm(bent) > 5


def test_the_gallery_spreads_over_the_clip_and_keeps_the_worst_quarrels():
    gallery = Gallery()
    picture = np.zeros((4, 4, 3), np.uint8)
    apart = {index: float(1 + index % 7) for index in range(100)} | {40: 90.0, 43: 80.0, 70: 60.0, 95: 70.0}
    for index, value in apart.items():
        gallery.add(frame(index), picture)
        if gallery.wants_quarrel(index, value):
            gallery.add_quarrel(index, value, picture)
    captions = [caption for caption, _ in gallery.pictures()]
    spread = [int(caption.split()[1].rstrip(",")) for caption in captions[:SPREAD]]
    assert spread == sorted(spread) and spread[0] == 0 and spread[-1] > 85 and max(np.diff(spread)) < 40
    assert [caption.split(":")[0] for caption in captions[SPREAD:]] == ["frame 40", "frame 95", "frame 70"]
    assert len(captions) == SPREAD + QUARRELS


def test_side_views_stand_below():
    seen = {name: MethodFrame(raw=(), bodies=(body_at(0.0),)) for name in "abcdefgh"}
    picture = np.full((100, 700, 3), 9, np.uint8)
    both = with_side_views(picture, seen, list(seen), BODY)
    assert both.shape[1] == 700 and np.array_equal(both[:100], picture) and both[100:].std() > 5


@pytest.mark.parametrize(
    ("tiles", "aspect", "columns"), [(2, 16 / 9, 2), (4, 16 / 9, 2), (6, 16 / 9, 3), (6, 9 / 16, 6)]
)
def test_sheets_are_near_to_a_screen(tiles, aspect, columns):
    assert columns_for(tiles, aspect) == columns


def test_the_report_needs_no_other_file_and_escapes_what_it_is_given(tmp_path):
    row = meter_of([(body_at(0.0),)])
    better = replace(row, keypoints_within=0.5, ms_per_person=1.0)
    report = Comparison(
        source="<clip>.mp4", frames=1, settings="x", figures={"a": row, "b": better}, left_out={"c": "<no weights>"},
        failed={}, true_jitter=float("nan"), pictures=[("frame 1", np.zeros((8, 8, 3), np.uint8))], video=None,
    )  # fmt: skip
    write_report(tmp_path / "r.html", report)
    text = (tmp_path / "r.html").read_text()
    assert "<clip>" not in text and "&lt;clip&gt;" in text and "&lt;no weights&gt;" in text
    assert "data:image/jpeg;base64," in text and 'src="http' not in text
    assert text.count("class=best") == 2, "faster is b, more exact is a; nothing else differs"
    assert "PVE" not in text_table({"a": row}), "nothing was measured"


def test_a_whole_comparison_of_the_rendered_clip(tmp_path, capsys):
    code = main(
        ["compare", "demo:seconds=1,people=1", "--methods", "bilayer", "--max-frames", "6", "--threads", "1",
         "--precision", "f32", "--out", str(tmp_path)]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert code == 0 and "PA-MPJPE" in printed and "bilayer" in printed
    saved = json.loads((tmp_path / "compare.json").read_text())
    assert saved["frames"] == 6 and saved["methods"]["bilayer"]["bodies"] >= 4
    assert saved["methods"]["bilayer"]["pa_mpjpe_mm"] < 250
    assert (tmp_path / "side_by_side.mp4").stat().st_size > 1000
    assert "data:video/mp4;base64," in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["nowhere.mp4"], 3, "no such file"),
        (["webcam:0"], 2, "cannot be compared on"),
        (["demo", "--methods", "bilayr"], 2, "did you mean bilayer"),
        (["demo", "--precision", "f99"], 2, "f99"),
    ],
)
def test_errors_say_what_is_wrong(argv, code, words, capsys, tmp_path):
    assert main(["compare", *argv, "--out", str(tmp_path)]) == code
    assert words in capsys.readouterr().err
    assert "bilayer" in METHODS
